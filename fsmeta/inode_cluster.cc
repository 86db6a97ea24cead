// SPDX-License-Identifier: Apache-2.0
// Writing empty inode clusters.
#include "fsmeta/inode_cluster.h"

namespace holdfast::fsmeta {
namespace {

InodeCluster EmptyHead(uint64_t index) {
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

}  // namespace

ObjectId ClusterHeadId(Pfn cluster) {
  return {ObjectType::kInodeCluster, ByteOffset(cluster), kMetadataBlock, kInoInodeFile};
}

ObjectId SlotId(Pfn cluster, Ino ino) {
  const uint64_t slot = ino.value() % kInodesPerCluster;
  return {ObjectType::kInode, ByteOffset(cluster + BlockCount(1)) + slot * kSlotBytes, kSlotBytes,
          ino.value()};
}

void WriteInodeCluster(Region& region, const Uuid& uuid, Pfn cluster, uint64_t index,
                       uint64_t sequence) {
  InodeCluster head = EmptyHead(index);
  SealObject(&head, ClusterHeadId(cluster), uuid, sequence);
  region.persist().CopyNt(region.Target(ByteOffset(cluster)), &head, sizeof(head));
  for (uint64_t i = 0; i < kInodesPerCluster; ++i) {
    const ObjectId id = SlotId(cluster, Ino(head.first_ino + i));
    InodeSlot slot{};
    SealObject(&slot, id, uuid, sequence);
    region.persist().CopyNt(region.Target(id.offset), &slot, sizeof(slot));
  }
}

}  // namespace holdfast::fsmeta
