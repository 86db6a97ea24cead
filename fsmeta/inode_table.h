// SPDX-License-Identifier: Apache-2.0
// The inode file: finding, allocating and freeing 512-byte inode slots.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "daxcore/result.h"
#include "fsmeta/cluster_map.h"
#include "fsmeta/cluster_room.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/format.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Finds, allocates and frees inode slots. Owns the DRAM knowledge of where clusters are and which
/// have free slots (both learned as needed, never by a scan at mount) and changes clusters through
/// transactions. Thread-safe; takes kInodeCluster and, to grow, kInodeFile and kGroup locks.
/// Clusters never shrink. The inode file's own slot (inode 2) is in the first cluster, whose place
/// is in the superblock; all other clusters are found through its extents.
///
/// Whatever fails in a transaction obliges the caller to abort it.
class InodeTable {
 public:
  /// `medium` and `extents` outlive the table. Reads nothing.
  InodeTable(Medium& medium, const ExtentMap& extents);

  /// Identity (media address) of an inode's slot. ESTALE: past the end of the inode file, whatever
  /// the number. EUCLEAN: the inode file is unsound.
  Result<ObjectId> Locate(MetaReader& reader, Ino ino);
  /// The slot of a live inode. ESTALE: the slot is free, or there is none. The caller holds the
  /// inode's metadata lock.
  Result<const InodeSlot*> Read(MetaReader& reader, Ino ino);
  Result<InodeSlot*> Edit(Transaction& tx, Ino ino);

  /// Takes a free slot (near `parent`'s cluster when there is room) and returns its cleared copy
  /// with only `generation` set (old + 1, never 0); the caller fills in the rest before the commit.
  /// ENOSPC: no slot is free and no space is left for another cluster.
  Result<std::pair<Ino, InodeSlot*>> Allocate(Transaction& tx, Ino parent);
  /// Clears the slot (its generation stays) and its bit. EUCLEAN: it is free already, or reserved.
  Result<void> Free(Transaction& tx, Ino ino);

  /// For statfs: inodes that exist or could be made, and how many of them could be made. Reads all
  /// clusters' heads at first use, then kept in step.
  struct Totals {
    uint64_t total = 0;
    uint64_t free = 0;
  };
  Result<Totals> Count();
  /// One past the highest inode number the inode file has room for.
  Result<uint64_t> End(MetaReader& reader);

 private:
  using Clusters = std::span<const uint64_t>;

  Result<void> Open();
  uint32_t StreamOf(Ino parent) const;
  Result<ObjectId> HeadOf(MetaReader& reader, uint64_t cluster);
  Result<uint32_t> ReadFree(uint64_t cluster);
  Result<InodeCluster*> EditHead(Transaction& tx, uint64_t cluster);

  Result<uint64_t> ChooseCluster(Transaction& tx, Ino parent, Clusters full);
  Result<std::optional<uint64_t>> Grow(Transaction& tx, Ino parent, Clusters full);
  Result<ClusterBlocks> AllocateCluster(Transaction& tx, uint64_t cluster);
  void WriteCluster(Transaction& tx, uint64_t cluster, const ClusterBlocks& blocks);
  Result<std::optional<Ino>> TakeSlot(Transaction& tx, uint64_t cluster);
  Result<InodeSlot*> EditFreeSlot(Transaction& tx, Ino ino);

  Medium& medium_;
  const ExtentMap& extents_;
  ClusterMap map_;
  ClusterRoom room_;
  std::atomic<bool> opened_{false};
};

}  // namespace holdfast::fsmeta
