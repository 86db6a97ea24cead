// SPDX-License-Identifier: Apache-2.0
// What mkfs writes: complete, sound, bounded in cost, and never half valid.
#include "fsmeta/format_region.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal.h"
#include "fsmeta/superblock.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::unique_ptr<Region> FormattedRegion(uint64_t bytes, const FormatOptions& options = {}) {
  auto region = Region::InMemory(bytes);
  const auto formatted = FormatRegion(*region, options);
  EXPECT_TRUE(formatted) << formatted.error().Text();
  return region;
}

uint64_t FreeBits(Medium& medium, const GroupLayout& layout, uint64_t group) {
  uint64_t free = 0;
  for (uint64_t i = 0; i < layout.bitmap_blocks.value(); ++i) {
    const auto bitmap =
        medium.Block<BitmapBlock>(layout.bitmap + BlockCount(i), ObjectType::kBitmap, group);
    EXPECT_TRUE(bitmap) << bitmap.error().Text();
    for (const uint64_t word : (*bitmap)->bits) {
      free += static_cast<uint64_t>(std::popcount(~word));
    }
  }
  return free;
}

class FormatSizes : public testing::TestWithParam<uint64_t> {};

TEST_P(FormatSizes, EveryGroupHeaderAgreesWithItsBitmap) {
  const auto region = FormattedRegion(GetParam());
  const auto superblock = ReadSuperblock(*region);
  ASSERT_TRUE(superblock) << superblock.error().Text();
  Medium medium(*region, *superblock);
  uint64_t total_free = 0;
  for (uint64_t group = 0; group < superblock->group_count; ++group) {
    const GroupLayout layout = LayoutOfGroup(*superblock, group);
    const auto header = medium.Block<GroupHeader>(layout.header, ObjectType::kGroupHeader, group);
    ASSERT_TRUE(header) << header.error().Text();
    EXPECT_EQ((*header)->start, layout.start.value());
    EXPECT_EQ((*header)->blocks, layout.blocks.value());
    EXPECT_EQ((*header)->bitmap_start, layout.bitmap.value());
    EXPECT_EQ((*header)->free_blocks, FreeBits(medium, layout, group));
    total_free += (*header)->free_blocks;
  }
  EXPECT_GT(total_free, superblock->block_count * 8 / 10);
  EXPECT_LT(superblock->reserve_blocks, total_free);
}

INSTANTIATE_TEST_SUITE_P(Bytes, FormatSizes,
                         testing::Values(4 * kMiB, 4 * kMiB + 4096, 4 * kMiB + 3 * 4096, 5 * kMiB,
                                         64 * kMiB, 300 * kMiB + 8192, 1024 * kMiB,
                                         4096 * kMiB + 7 * 4096));

TEST(FormatRegion, SystemInodesAreSoundAndInPlace) {
  const auto region = FormattedRegion(16 * kMiB);
  const auto superblock = ReadSuperblock(*region);
  Medium medium(*region, *superblock);
  const Pfn cluster(superblock->inode_cluster0);
  for (const uint64_t ino : {kInoRoot, kInoInodeFile, kInoOrphanFile, kInoQuarantine}) {
    const auto slot = medium.Load(SlotId(cluster, Ino(ino)));
    ASSERT_TRUE(slot) << slot.error().Text();
    const auto* inode = static_cast<const InodeSlot*>(*slot);
    EXPECT_EQ(inode->mode, ino == kInoRoot ? 040755U : 0100600U);
    EXPECT_EQ(inode->nlink, ino == kInoRoot ? 2U : 1U);
  }
  const auto head = medium.Block<InodeCluster>(cluster, ObjectType::kInodeCluster, kInoInodeFile);
  ASSERT_TRUE(head);
  EXPECT_EQ((*head)->free_count, kInodesPerCluster - kInoFirstFree);
  EXPECT_EQ(std::popcount((*head)->used[0]) + std::popcount((*head)->used[1]), 16 + 8);
}

TEST(FormatRegion, IsRepeatableWithGivenIdentity) {
  FormatOptions options;
  options.uuid = Uuid{1, 2, 3};
  options.made_at = 12345;
  options.hash_seed = 6;
  options.label = "same";
  const auto a = FormattedRegion(8 * kMiB, options);
  const auto b = FormattedRegion(8 * kMiB, options);
  EXPECT_EQ(std::memcmp(a->base(), b->base(), a->size()), 0);
  const auto superblock = ReadSuperblock(*a);
  ASSERT_TRUE(superblock);
  EXPECT_STREQ(superblock->label, "same");
  EXPECT_EQ(superblock->made_at, 12345U);
}

TEST(FormatRegion, DrawsAnotherUuidEachTime) {
  const auto a = ReadSuperblock(*FormattedRegion(4 * kMiB));
  const auto b = ReadSuperblock(*FormattedRegion(4 * kMiB));
  EXPECT_NE(UuidOf(*a), UuidOf(*b));
  EXPECT_EQ(UuidOf(*a)[6] >> 4, 4);  // version 4
}

TEST(FormatRegion, RefusesWhatCannotBe) {
  auto region = Region::InMemory(2 * kMiB);
  EXPECT_EQ(FormatRegion(*region, {}).error().code, EINVAL);
  EXPECT_FALSE(LooksFormatted({region->base(), region->size()}));

  FormatOptions options;
  options.label = std::string(65, 'x');
  EXPECT_EQ(PlanFilesystem(64 * kMiB, options).error().code, EINVAL);
  options = {};
  options.geometry_shift = 13;
  EXPECT_EQ(PlanFilesystem(64 * kMiB, options).error().code, EINVAL);
  options.geometry_shift = 30;
  EXPECT_EQ(PlanFilesystem(64 * kMiB, options).error().code, EINVAL);
  options = {};
  options.group_blocks = 1000;
  EXPECT_EQ(PlanFilesystem(64 * kMiB, options).error().code, EINVAL);
  options = {};
  options.lane_count = 60000;
  EXPECT_EQ(PlanFilesystem(64 * kMiB, options).error().code, EINVAL);
}

TEST(FormatRegion, GroupsOfLargeRegionsAreOneGibibyte) {
  const auto large = PlanFilesystem(uint64_t{3} << 40, {});
  ASSERT_TRUE(large);
  EXPECT_EQ(large->group_blocks, kGroupBlocksMax);
  EXPECT_EQ(large->group_count, 3U * 1024);
  EXPECT_GE(PlanFilesystem(64 * kMiB, {})->group_count, 4U);
  FormatOptions huge_pages;
  huge_pages.geometry_shift = 30;
  EXPECT_EQ(PlanFilesystem(2048 * kMiB, huge_pages)->group_blocks, kGroupBlocksMax);
}

// Everything mkfs stores, in bytes, is bounded by the groups and the journal's heads.
TEST(FormatRegion, CostsByTheGroupNotByTheByte) {
  tests::Recorder recorder;
  const auto region = recorder.MakeRegion(2048 * kMiB);
  ASSERT_TRUE(FormatRegion(*region, {}));
  uint64_t stored = 0;
  for (const auto& event : recorder.Events()) stored += event.length;
  EXPECT_LT(stored, 1 * kMiB);
}

// Cut the power after each drain of a format over an older filesystem: there is no filesystem, or
// the whole new one.
TEST(FormatRegion, InterruptedFormatNeverLooksValid) {
  tests::Recorder recorder;
  const auto region = recorder.MakeRegion(4 * kMiB);
  ASSERT_TRUE(FormatRegion(*region, {}));
  std::vector<std::byte> image(region->base(), region->base() + region->size());
  recorder.Clear();
  FormatOptions options;
  options.label = "second";
  ASSERT_TRUE(FormatRegion(*region, options));
  int complete = 0;
  for (const auto& event : recorder.Events()) {
    recorder.Apply(event, image);
    if (event.kind != tests::PersistEvent::kDrain) continue;
    const auto found = ReadSuperblock(image, "image");
    if (!found) continue;
    EXPECT_STREQ(found->label, "second");
    ++complete;
  }
  EXPECT_EQ(complete, 2);  // after the copy, after the primary
}

}  // namespace
}  // namespace holdfast::fsmeta
