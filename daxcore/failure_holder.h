// SPDX-License-Identifier: Apache-2.0
// What daxcore needs from the filesystem to deal with failed memory (rules F2, F5, F8).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daxcore/ranges.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

class InodeLayout;

/// Who owns a run of pages, by the reverse map.
struct PageOwner {
  FileRun run;  ///< where in the file, and which pages; `index` means nothing for metadata
  Ino ino{0};   ///< 0 for metadata that belongs to no file
  bool metadata = false;  ///< the filesystem itself: superblock, journal, trees, directories, ...
};

/// Implemented by the filesystem. Called on the thread that reports a failure, with no lock of
/// daxcore held.
class FailureHolder {
 public:
  virtual ~FailureHolder() = default;
  /// Every owner of every page of `pages`, each clone of a shared page too (F2); free pages have
  /// none. Parts that cannot be resolved because the maps themselves cannot be read are metadata
  /// failures: an error.
  virtual Result<std::vector<PageOwner>> OwnersOf(PfnRange pages) = 0;
  /// Calls `fn` with the layout of `ino` if the inode is in core, keeping it there meanwhile; else
  /// does nothing (F8).
  virtual void WithLiveInode(Ino ino, const std::function<void(InodeLayout&)>& fn) = 0;
  /// Metadata failed: no operation succeeds from now on, the medium is not touched again (F5).
  virtual void Shutdown(const std::string& reason) = 0;
  /// Stops new operations and waits for running ones to end (F7), and lets them go on.
  virtual void Freeze() = 0;
  virtual void Thaw() = 0;
};

}  // namespace holdfast::daxcore
