// SPDX-License-Identifier: Apache-2.0
// The inode file: finding, allocating and freeing 512-byte inode slots.
#pragma once

#include <memory>

#include "daxcore/result.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/format.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Owns the DRAM knowledge of which clusters have free slots (learned lazily, never by a scan at
/// mount) and changes clusters through transactions. Thread-safe; takes kInodeCluster and, to grow,
/// kInodeFile locks. Clusters never shrink. The inode file's own slot (inode 2) is in the first
/// cluster, whose place is in the superblock; all other clusters are found through its extents.
class InodeTable {
 public:
  InodeTable(Medium& medium, ExtentMap& extents);
  ~InodeTable();

  /// Identity (media address) of an inode's slot. ENOENT: past the end of the inode file.
  Result<ObjectId> Locate(MetaReader& reader, Ino ino);
  /// The slot of a live inode. ESTALE: the slot is free. The caller holds the inode's lock.
  Result<const InodeSlot*> Read(MetaReader& reader, Ino ino);
  Result<InodeSlot*> Edit(Transaction& tx, Ino ino);

  /// Takes a free slot (near `parent`'s cluster when it has room) and returns its cleared copy with
  /// only `generation` set (old + 1); the caller fills in the rest before the commit. ENOSPC.
  Result<std::pair<Ino, InodeSlot*>> Allocate(Transaction& tx, Ino parent);
  /// Clears the slot (generation stays) and its bit.
  Result<void> Free(Transaction& tx, Ino ino);

  /// Inodes that exist / could be made, for statfs. Lazily counted, then kept in step.
  struct Totals {
    uint64_t total = 0;
    uint64_t free = 0;
  };
  Result<Totals> Count();
  /// One past the highest inode number the inode file has room for.
  Result<uint64_t> End(MetaReader& reader);

 private:
  struct State;
  Medium& medium_;
  ExtentMap& extents_;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::fsmeta
