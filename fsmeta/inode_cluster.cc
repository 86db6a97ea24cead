// SPDX-License-Identifier: Apache-2.0
// Writing empty inode clusters.
#include "fsmeta/inode_cluster.h"

namespace holdfast::fsmeta {

ObjectId ClusterHeadId(Pfn head) {
  return {ObjectType::kInodeCluster, ByteOffset(head), kMetadataBlock, kInoInodeFile};
}

ObjectId SlotIdInBlock(Pfn block, Ino ino) {
  const uint64_t slot = ino.value() % kInodesPerCluster % kSlotsPerBlock;
  return {ObjectType::kInode, ByteOffset(block) + slot * kSlotBytes, kSlotBytes, ino.value()};
}

ObjectId SlotId(Pfn cluster, Ino ino) {
  const uint64_t block = 1 + ino.value() % kInodesPerCluster / kSlotsPerBlock;
  return SlotIdInBlock(cluster + BlockCount(block), ino);
}

InodeCluster EmptyClusterHead(uint64_t index) {
  constexpr uint64_t kBeyond = ~uint64_t{0} << (kInodesPerCluster % 64);
  InodeCluster head{};
  head.first_ino = index * kInodesPerCluster;
  head.free_count = kInodesPerCluster;
  head.used[1] = kBeyond;
  if (index == 0) {
    head.used[0] = (uint64_t{1} << kInoFirstFree) - 1;
    head.free_count -= kInoFirstFree;
  }
  return head;
}

void WriteFreeSlots(Region& region, const Uuid& uuid, Pfn block, Ino first, uint64_t sequence) {
  for (uint64_t i = 0; i < kSlotsPerBlock; ++i) {
    const ObjectId id = SlotIdInBlock(block, Ino(first.value() + i));
    InodeSlot slot{};
    SealObject(&slot, id, uuid, sequence);
    region.persist().CopyNt(region.Target(id.offset), &slot, sizeof(slot));
  }
}

void WriteInodeCluster(Region& region, const Uuid& uuid, Pfn cluster, uint64_t index,
                       uint64_t sequence) {
  InodeCluster head = EmptyClusterHead(index);
  SealObject(&head, ClusterHeadId(cluster), uuid, sequence);
  region.persist().CopyNt(region.Target(ByteOffset(cluster)), &head, sizeof(head));
  for (uint64_t i = 0; i + 1 < kClusterBlocks; ++i) {
    WriteFreeSlots(region, uuid, cluster + BlockCount(1 + i),
                   Ino(head.first_ino + i * kSlotsPerBlock), sequence);
  }
}

}  // namespace holdfast::fsmeta
