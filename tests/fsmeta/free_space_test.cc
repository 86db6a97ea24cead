// SPDX-License-Identifier: Apache-2.0
// Which group a run comes from, what is kept back, and what is never given away.
#include "fsmeta/free_space.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

BlockRun Blocks(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }

class FreeSpaceTest : public testing::Test {
 protected:
  // 16 groups of 512 blocks; the last block is the superblock's copy.
  FreeSpaceTest() : parts_(32 * kMiB, Options()), space_(parts_.medium()) {}

  static FormatOptions Options() {
    FormatOptions options;
    options.group_blocks = 512;
    return options;
  }
  Result<BlockRun> Take(uint64_t want, uint64_t goal = 0, bool exact = false) {
    return space_.Take({.want = BlockCount(want), .exact = exact, .goal = Pfn(goal)});
  }
  uint64_t GroupStart(uint64_t group) { return group * 512; }

  tests::FormattedMedium parts_;
  FreeSpace space_;
};

TEST_F(FreeSpaceTest, TheGoalsGroupComesFirstThenTheNextOnesThenTheFirst) {
  // Group 0 has no room for 400 blocks: it holds the journal.
  std::vector<uint64_t> expected = {14, 15};
  for (uint64_t group = 1; group < 14; ++group) expected.push_back(group);
  for (const uint64_t group : expected) {
    const auto run = Take(400, GroupStart(14));
    ASSERT_TRUE(run);
    EXPECT_EQ(run->length, BlockCount(400));
    EXPECT_EQ(space_.GroupOf(run->start), group);
  }
  // 400 in one piece are nowhere left: the rest of the goal's own group is better than nothing.
  const auto rest = Take(400, GroupStart(14));
  EXPECT_EQ(rest->length, BlockCount(512 - 2 - 400));
  EXPECT_EQ(space_.GroupOf(rest->start), 14U);
}

TEST_F(FreeSpaceTest, AGoalOutsideTheFilesystemIsNoGoal) {
  EXPECT_TRUE(Take(1, uint64_t{1} << 60));
}

TEST_F(FreeSpaceTest, ThreadsWithoutAGoalStartInDifferentGroups) {
  std::set<uint64_t> groups;
  for (int i = 0; i < 8; ++i) {
    std::thread([&] { groups.insert(space_.GroupOf(Take(1)->start)); }).join();
  }
  EXPECT_EQ(groups.size(), 8U);
}

TEST_F(FreeSpaceTest, LessThanWantedIsTakenWhereTheGoalIsFree) {
  ASSERT_TRUE(Take(1, GroupStart(5) + 200));
  const auto run = Take(60, GroupStart(5) + 180);
  EXPECT_EQ(*run, Blocks(GroupStart(5) + 180, 20));
  // But not when all of it is asked for.
  EXPECT_EQ(Take(60, GroupStart(5) + 190, true)->length, BlockCount(60));
}

TEST_F(FreeSpaceTest, AHugeWishIsServedPieceByPiece) {
  ASSERT_TRUE(space_.Count());
  const uint64_t before = space_.free().value();
  uint64_t got = 0;
  while (const auto run = Take(100000)) {
    ASSERT_LE(run->length, BlockCount(512));
    got += run->length.value();
  }
  EXPECT_EQ(got, before);
}

TEST_F(FreeSpaceTest, WhatIsKeptBackStays) {
  ASSERT_TRUE(space_.Count());
  const BlockCount keep(70);
  while (space_.Take({.want = BlockCount(33), .keep_back = keep})) {
  }
  EXPECT_EQ(space_.free(), keep);
  EXPECT_TRUE(space_.Take({.want = BlockCount(1), .keep_back = BlockCount(69)}));
  EXPECT_EQ(space_.Take({.want = BlockCount(1), .keep_back = BlockCount(69)}).error().code, ENOSPC);
}

TEST_F(FreeSpaceTest, AGroupIsReadWhenItIsFirstNeeded) {
  // Damage in group 9 is nobody's business until group 9 is used.
  const GroupLayout layout = space_.layout(9);
  const uint64_t junk = 1;
  parts_.region().persist().Store(parts_.region().Target(ByteOffset(layout.bitmap) + 800), &junk,
                                  8);
  EXPECT_TRUE(Take(4, GroupStart(3)));
  EXPECT_EQ(Take(4, GroupStart(9) + 100).error().code, EUCLEAN);
  EXPECT_EQ(space_.Know(9).error().code, EUCLEAN);
  EXPECT_TRUE(space_.Know(10));
}

TEST_F(FreeSpaceTest, FixedMetadataIsNeverAllocatable) {
  const Superblock& superblock = parts_.superblock();
  const uint64_t end = superblock.block_count;
  const uint64_t lanes = uint64_t{superblock.lane_count} * superblock.lane_blocks;
  EXPECT_FALSE(space_.IsAllocatable(Blocks(0, 1)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(superblock.journal_start + lanes - 1, 1)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(superblock.inode_cluster0 + 15, 1)));
  EXPECT_TRUE(space_.IsAllocatable(Blocks(superblock.inode_cluster0 + 16, 1)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(GroupStart(4) + 1, 1)));
  EXPECT_TRUE(space_.IsAllocatable(Blocks(GroupStart(4) + 2, 510)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(GroupStart(4) + 2, 511)));
  EXPECT_TRUE(space_.IsAllocatable(Blocks(end - 2, 1)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(end - 2, 2)));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(end - 2, ~uint64_t{0})));
  EXPECT_FALSE(space_.IsAllocatable(Blocks(end, 1)));
}

}  // namespace
}  // namespace holdfast::fsmeta
