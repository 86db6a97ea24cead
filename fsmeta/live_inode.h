// SPDX-License-Identifier: Apache-2.0
// The live inode: what DRAM knows of an inode that the kernel or an operation refers to.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/layout.h"
#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

using daxcore::Ino;

class DirectoryHints;

/// Timestamps that changed in DRAM and are not on the medium yet (design section 3). What may be
/// done with them is in lazy_times.h.
struct LazyTimes {
  timespec atime{};
  timespec mtime{};
  timespec ctime{};
  bool atime_dirty = false;
  bool mtime_dirty = false;
  bool ctime_dirty = false;
  bool any() const { return atime_dirty || mtime_dirty || ctime_dirty; }
};

/// One live inode. Kept by LiveInodes while the kernel has looked it up, a file is open on it, or a
/// reference is held. Nothing in it survives a crash. Lock order: LOCKING.md. It must stay small:
/// tens of thousands of them are live at a time.
struct LiveInode {
  LiveInode(daxcore::LayoutManager& layouts, Ino number);
  ~LiveInode();

  const Ino ino;

  /// The I/O lock: reads share it; writes and everything that changes size or extents own it. The
  /// extents of a file change only under it. Directories and symlinks do not use it.
  absl::Mutex io;
  /// Leases, pins, mapping entries and the layout lock; tiny until somebody maps the file.
  daxcore::InodeLayout layout;
  /// The metadata lock: slot, extents, attributes and, for a directory, its entries. Readers share
  /// it. Held until the transaction that changes them has committed.
  absl::Mutex meta ABSL_ACQUIRED_AFTER(io);

  absl::Mutex times_lock ABSL_ACQUIRED_AFTER(meta);
  LazyTimes times ABSL_GUARDED_BY(times_lock);

  /// Directories that were changed: what is known of room in their blocks.
  std::unique_ptr<DirectoryHints> hints ABSL_GUARDED_BY(meta);

 private:
  friend class InodeRef;
  friend class LiveInodes;
  // All of it under the lock of the cache's shard.
  uint64_t lookups_ = 0;     // what the kernel remembers of us
  uint64_t opens_ = 0;       // open handles
  uint64_t references_ = 0;  // InodeRefs
  bool leaving_ = false;     // Evict runs
  bool found_ = false;       // somebody asked for it since Evict began
};

}  // namespace holdfast::fsmeta
