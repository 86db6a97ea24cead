// SPDX-License-Identifier: Apache-2.0
// Objects of the filesystem under repair.
#include "fsmeta/repair_state.h"

#include <cstring>

#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"

namespace holdfast::fsmeta {

ObjectId RepairState::SlotAt(uint64_t ino) const {
  const uint64_t block = 1 + ino % kInodesPerCluster / kSlotsPerBlock;
  return SlotIdInBlock(clusters[ino / kInodesPerCluster][block], Ino(ino));
}

const InodeSlot* RepairState::Slot(uint64_t ino) {
  if (ino >= inode_count()) return nullptr;
  const auto loaded = image.Load(SlotAt(ino));
  return loaded ? static_cast<const InodeSlot*>(*loaded) : nullptr;
}

void RepairState::PutSlot(uint64_t ino, InodeSlot slot) { Put(SlotAt(ino), slot); }

void RepairState::ClearSlot(uint64_t ino, uint32_t generation) {
  InodeSlot slot{};
  slot.generation = generation;
  PutSlot(ino, slot);
}

void RepairState::PutSealed(const ObjectId& id, void* object, size_t size) {
  auto* header = static_cast<ObjectHeader*>(object);
  header->reserved[0] = header->reserved[1] = 0;
  SealObject(object, id, UuidOf(superblock()), superblock().header.sequence);
  std::byte* block = image.Edit(Pfn(id.offset >> kBlockShift));
  std::memcpy(block + id.offset % kBlockSize, object, size);
}

bool IsFixedBlock(const Superblock& superblock, Pfn block) {
  const uint64_t at = block.value();
  if (at == 0 || at == superblock.block_count - 1) return true;
  const uint64_t journal_blocks = uint64_t{superblock.lane_count} * superblock.lane_blocks;
  if (at - superblock.journal_start < journal_blocks) return true;
  if (at - superblock.inode_cluster0 < kClusterBlocks) return true;
  const GroupLayout group = LayoutOfGroup(superblock, at / superblock.group_blocks);
  return at < group.first_usable.value();
}

}  // namespace holdfast::fsmeta
