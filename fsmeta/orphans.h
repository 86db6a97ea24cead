// SPDX-License-Identifier: Apache-2.0
// The orphan file: inodes whose deletion or truncation must be finished after a crash.
#pragma once

#include <functional>
#include <memory>

#include "daxcore/result.h"
#include "fsmeta/inode_table.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Owns the DRAM list of free orphan entries. Thread-safe; takes kOrphanBlock and, to grow,
/// kOrphanFile locks. Scanned once at mount: O(blocks of the orphan file), which grows only with
/// the largest number of orphans there ever was at a time.
class Orphans {
 public:
  Orphans(Medium& medium, InodeTable& inodes, ExtentMap& extents);
  ~Orphans();

  /// Reads the file; returns the inodes listed.
  Result<std::vector<Ino>> Load();
  /// Lists `ino` and sets `slot->orphan_slot`; nothing if it is listed already. Growing the file
  /// may use the reserve, so removal works on a full filesystem.
  Result<void> Add(Transaction& tx, Ino ino, InodeSlot* slot);
  /// Takes it off the list; nothing if it is not listed.
  Result<void> Remove(Transaction& tx, Ino ino, InodeSlot* slot);

 private:
  struct State;
  Medium& medium_;
  InodeTable& inodes_;
  ExtentMap& extents_;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::fsmeta
