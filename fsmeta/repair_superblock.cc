// SPDX-License-Identifier: Apache-2.0
// Asking the rest of the filesystem which superblock is right.
#include "fsmeta/repair_superblock.h"

#include "fsmeta/check_image.h"
#include "fsmeta/check_inodes.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

// How many lanes, groups, inodes and names agree with a superblock.
uint64_t Agreement(std::span<const std::byte> media, const Superblock& superblock) {
  CheckImage image(media, superblock);
  uint64_t agree = 0;
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    if (ReadLane(media, superblock, lane)) ++agree;
  }
  for (uint64_t group = 0; group < superblock.group_count; ++group) {
    const auto header = image.Block<GroupHeader>(LayoutOfGroup(superblock, group).header,
                                                 ObjectType::kGroupHeader, group);
    if (header && (*header)->blocks == LayoutOfGroup(superblock, group).blocks.value()) ++agree;
  }
  for (uint64_t ino = 0; ino < kInodesPerCluster; ++ino) {
    if (image.Load(SlotId(Pfn(superblock.inode_cluster0), Ino(ino)))) ++agree;
  }
  // Names: any directory of the region will do.
  for (uint64_t block = 0; block < superblock.block_count; ++block) {
    const auto loaded = image.Block<DirectoryBlock>(Pfn(block), ObjectType::kDirectory, kAnyOwner);
    if (!loaded) continue;
    static_cast<void>(ForEachRecord(**loaded, [&](const DirectoryRecord& record) {
      const auto hash = static_cast<uint32_t>(HashName(record.name, superblock.hash_seed));
      if (!record.free() && record.hash == hash) ++agree;
      return true;
    }));
  }
  return agree;
}

bool SameFields(Superblock a, Superblock b) {
  a.header.self = b.header.self = 0;
  a.header.crc32c = b.header.crc32c = 0;
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

}  // namespace

Result<Superblock> ChooseSuperblock(std::span<const std::byte> media, std::string_view name) {
  HOLDFAST_ASSIGN(const Superblock chosen, ReadSuperblock(media, name));
  const auto primary = ReadSuperblockCopy(media, 0);
  const auto copy = ReadSuperblockCopy(media, (chosen.block_count - 1) << kBlockShift);
  if (!primary || !copy || primary->header.sequence != copy->header.sequence ||
      SameFields(*primary, *copy) || (copy->block_count << kBlockShift) > media.size()) {
    return chosen;
  }
  return Agreement(media, *copy) > Agreement(media, *primary) ? *copy : *primary;
}

}  // namespace holdfast::fsmeta
