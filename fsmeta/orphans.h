// SPDX-License-Identifier: Apache-2.0
// The orphan file: inodes whose deletion or truncation must be finished after a crash.
#pragma once

#include <vector>

#include "daxcore/result.h"
#include "fsmeta/inode_table.h"
#include "fsmeta/record_file.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Lists orphans on the medium. Thread-safe; takes kOrphanBlock and, to grow, kOrphanFile and
/// kGroup locks. Threads are spread over the file's blocks, so that they seldom wait for each
/// other. Read once at mount: O(blocks of the orphan file), which grows only with the largest
/// number of orphans there ever was at a time, and a little with the number of threads.
class Orphans {
 public:
  Orphans(Medium& medium, InodeTable& inodes, const ExtentMap& extents);

  /// Reads the file, once, before anything else; returns the inodes listed, in no order. They may
  /// be any numbers: whoever finishes them looks at their slots. EUCLEAN: the file is unsound.
  Result<std::vector<Ino>> Load();
  /// Lists `ino` and sets `slot->orphan_slot`; nothing if it is listed already. Growing the file
  /// may use the reserve, so removal works on a full filesystem. ENOSPC: even that is used up.
  Result<void> Add(Transaction& tx, Ino ino, InodeSlot* slot);
  /// Takes it off the list; nothing if it is not listed. EUCLEAN: slot and list disagree.
  Result<void> Remove(Transaction& tx, Ino ino, InodeSlot* slot);

 private:
  RecordFile file_;
  const uint64_t most_blocks_;  // that threads are spread over
};

}  // namespace holdfast::fsmeta
