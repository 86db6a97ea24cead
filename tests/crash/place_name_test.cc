// SPDX-License-Identifier: Apache-2.0
// Places of a medium by their names.
#include "tests/crash/place_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "fsmeta/group_layout.h"
#include "tests/support/damaged_image.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kBlock = 4096;

class PlaceNamesTest : public testing::Test {
 protected:
  PlaceNamesTest() : image_(MountedFilesystem(uint64_t{4} << 20).Image()) {}
  std::string Name(uint64_t start, uint64_t length,
                   std::span<const StoreUnit> in_flight = {}) const {
    return PlaceNames(image_.bytes(), in_flight).Of(start, start + length);
  }
  uint64_t Lane(uint64_t n) const {
    const auto& superblock = image_.superblock();
    return (superblock.journal_start + n * superblock.lane_blocks) * kBlock;
  }

  const DamagedImage image_;
};

TEST_F(PlaceNamesTest, FieldsOfAnInode) {
  const uint64_t slot = image_.SlotOffset(fsmeta::kInoRoot);
  EXPECT_EQ(Name(slot + offsetof(fsmeta::InodeSlot, nlink), 4), "inode 1: nlink");
  EXPECT_THAT(Name(slot, 64), StartsWith("inode 1: magic, crc32c"));
  EXPECT_THAT(Name(slot + offsetof(fsmeta::InodeSlot, inline_area) + 64, 64),
              HasSubstr("inline_area[64..128)"));
}

TEST_F(PlaceNamesTest, FixedStructures) {
  EXPECT_THAT(Name(0, 8), HasSubstr("superblock"));
  EXPECT_THAT(Name(image_.GroupOffset(0) + offsetof(fsmeta::GroupHeader, free_blocks), 8),
              HasSubstr("free_blocks"));
  EXPECT_THAT(Name(image_.BitmapOffset(0) + 64, 8), HasSubstr("bits[0..8)"));
}

TEST_F(PlaceNamesTest, TheJournalIsToldByLaneAndPart) {
  EXPECT_EQ(Name(Lane(0) + offsetof(fsmeta::LaneHead, retired), 8), "journal lane 0: retired");
  EXPECT_EQ(Name(Lane(2) + 64 + offsetof(fsmeta::RecordHead, number), 8),
            "journal lane 2: record's number");
  EXPECT_EQ(Name(Lane(1) + 5 * 64, 64), "journal lane 1: record's body, line 3");
}

TEST_F(PlaceNamesTest, WhatHasNoHeaderIsData) {
  const uint64_t end = image_.superblock().block_count * kBlock;
  const uint64_t free = end - 2 * kBlock;
  EXPECT_EQ(Name(free + 128, 64),
            "block " + std::to_string(free / kBlock) + ": data, bytes 128 to 192");
}

// Its header is in flight itself.
TEST_F(PlaceNamesTest, ABlockThatIsNew) {
  const uint64_t free = (image_.superblock().block_count - 2) * kBlock;
  std::vector<std::byte> block(kBlock);
  fsmeta::ObjectHeader header{};
  header.magic = static_cast<uint32_t>(fsmeta::ObjectType::kDirectory);
  header.owner = 17;
  header.self = free;
  std::memcpy(block.data(), &header, sizeof(header));
  const StoreUnit unit{.offset = free, .bytes = block};
  const std::string name = Name(free + 64, 64, {&unit, 1});
  EXPECT_THAT(name, StartsWith("directory block at block"));
  EXPECT_THAT(name, HasSubstr("of 17: entries[0..64)"));
}

}  // namespace
}  // namespace holdfast::tests
