// SPDX-License-Identifier: Apache-2.0
// What the stages of a repair share: the filesystem as it will be, in DRAM.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/btree_set.h"
#include "daxcore/result.h"
#include "fsmeta/check_image.h"
#include "fsmeta/check_state.h"
#include "fsmeta/medium.h"
#include "fsmeta/repair_log.h"
#include "fsmeta/repair_space.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {

/// The stages change `image`, never the medium. Every change leaves its object sealed, so that the
/// next stage, and the check at the end, load it as they would after a mount. One thread.
struct RepairState {
  CheckImage& image;
  RepairLog& log;
  RepairSpace space;
  /// Whether what quarantine says still counts: a process of this boot may touch its blocks.
  bool quarantine_counts = true;
  bool quarantine_clashes = false;        ///< it lists blocks that are metadata now
  std::vector<ClusterPlaces> clusters{};  ///< of the inode file, complete
  InodePictures inodes{};                 ///< as the slots are after their repair
  absl::btree_set<uint64_t> lost{};       ///< inodes whose slots are unsound, until dealt with

  uint64_t new_lost_and_found = 0;  ///< its inode, if it had to be made

  const Superblock& superblock() const { return image.superblock(); }
  uint64_t inode_count() const { return clusters.size() * kInodesPerCluster; }

  ObjectId SlotAt(uint64_t ino) const;
  /// The slot, if it is sound.
  const InodeSlot* Slot(uint64_t ino);
  /// Puts `slot` in the place of that inode.
  void PutSlot(uint64_t ino, InodeSlot slot);
  /// Makes the slot a free one that remembers `generation`.
  void ClearSlot(uint64_t ino, uint32_t generation);

  /// Puts an object in its place, sealed.
  template <typename T>
  void Put(const ObjectId& id, T object) {
    PutSealed(id, &object, sizeof(object));
  }
  template <typename T>
  void PutBlock(Pfn at, ObjectType type, uint64_t owner, const T& block) {
    static_assert(sizeof(T) == kMetadataBlock);
    Put({type, ByteOffset(at), kMetadataBlock, owner}, block);
  }

 private:
  void PutSealed(const ObjectId& id, void* object, size_t size);
};

/// True where a block lies at a place that follows from the superblock alone.
bool IsFixedBlock(const Superblock& superblock, Pfn block);

}  // namespace holdfast::fsmeta
