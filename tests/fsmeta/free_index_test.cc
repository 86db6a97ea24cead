// SPDX-License-Identifier: Apache-2.0
// The free-space index against a model of one flag per block, and the placement rules it follows.
#include "fsmeta/free_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "fsmeta/format.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kChunk = FreeIndex::kChunkBlocks;

BlockRun Blocks(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }

// An index over `range`, all of it free.
FreeIndex AllFree(BlockRun range) {
  FreeIndex index(range);
  index.Put(range);
  return index;
}

TEST(FreeIndex, NothingIsFreeAtFirst) {
  FreeIndex index(Blocks(1000, 5000));
  EXPECT_EQ(index.free(), BlockCount(0));
  EXPECT_FALSE(index.Find(BlockCount(1), BlockCount(1), Pfn(0)));
  EXPECT_FALSE(index.RunAt(Pfn(1000), BlockCount(1)));
}

TEST(FreeIndex, ASmallRunGoesToItsGoal) {
  FreeIndex index = AllFree(Blocks(0, 8 * kChunk));
  EXPECT_EQ(index.Find(BlockCount(7), BlockCount(7), Pfn(1234)), Blocks(1234, 7));
}

TEST(FreeIndex, ASmallRunContinuesItsGoalAcrossChunks) {
  FreeIndex index = AllFree(Blocks(0, 8 * kChunk));
  EXPECT_EQ(index.Find(BlockCount(400), BlockCount(400), Pfn(kChunk - 100)),
            Blocks(kChunk - 100, 400));
}

TEST(FreeIndex, SmallRunsFillHolesBeforeTheyBreakFreeChunks) {
  FreeIndex index = AllFree(Blocks(0, 8 * kChunk));
  index.Take(Blocks(0, 10));
  index.Take(Blocks(5 * kChunk, kChunk - 20));
  index.Take(Blocks(3 * kChunk, 1));
  // The goal is taken; its chunk has no room left, so the nearest hole is used.
  index.Take(Blocks(2 * kChunk, kChunk));
  EXPECT_EQ(index.Find(BlockCount(16), BlockCount(16), Pfn(2 * kChunk)),
            Blocks(3 * kChunk + 1, 16));
  // 600 > any hole between the goal and the end, but one free chunk is broken only when all the
  // holes are too small.
  index.Take(Blocks(3 * kChunk + 1, kChunk - 1));
  EXPECT_EQ(index.Find(BlockCount(20), BlockCount(20), Pfn(2 * kChunk)),
            Blocks(6 * kChunk - 20, 20));
  EXPECT_EQ(index.Find(BlockCount(21), BlockCount(21), Pfn(2 * kChunk)), Blocks(10, 21));
  index.Take(Blocks(10, kChunk - 10));
  EXPECT_EQ(index.Find(BlockCount(21), BlockCount(21), Pfn(2 * kChunk)), Blocks(4 * kChunk, 21));
}

TEST(FreeIndex, LargeRunsStartOn2MiBBoundaries) {
  FreeIndex index = AllFree(Blocks(100, 10 * kChunk));
  for (const uint64_t want : {512, 513, 1000, 1024, 2048}) {
    const auto found = index.Find(BlockCount(want), BlockCount(want), Pfn(700));
    ASSERT_TRUE(found) << want;
    EXPECT_EQ(found->start.value() % kChunk, 0U) << want;
    EXPECT_EQ(found->length.value(), want);
  }
}

TEST(FreeIndex, ALargeRunIsCutToTheLongestAlignedOne) {
  FreeIndex index = AllFree(Blocks(0, 10 * kChunk));
  index.Take(Blocks(3 * kChunk, 1));
  index.Take(Blocks(8 * kChunk + 7, 1));
  EXPECT_EQ(index.Find(BlockCount(6 * kChunk), BlockCount(kChunk), Pfn(0)),
            Blocks(4 * kChunk, 4 * kChunk + 7));
  EXPECT_FALSE(index.Find(BlockCount(6 * kChunk), BlockCount(6 * kChunk), Pfn(0)));
}

TEST(FreeIndex, WithoutAlignedRunsALargeOneIsTakenAnywhere) {
  FreeIndex index(Blocks(0, 4 * kChunk));
  index.Put(Blocks(kChunk - 300, 600));
  EXPECT_EQ(index.Find(BlockCount(600), BlockCount(600), Pfn(0)), Blocks(kChunk - 300, 600));
  EXPECT_EQ(index.Find(BlockCount(2000), BlockCount(1), Pfn(0)), Blocks(kChunk - 300, 600));
  EXPECT_FALSE(index.Find(BlockCount(2000), BlockCount(601), Pfn(0)));
}

TEST(FreeIndex, ASmallRunMayStraddleChunksWhenNothingElseFits) {
  FreeIndex index(Blocks(0, 4 * kChunk));
  index.Put(Blocks(2 * kChunk - 5, 10));
  EXPECT_EQ(index.Find(BlockCount(9), BlockCount(9), Pfn(0)), Blocks(2 * kChunk - 5, 9));
  EXPECT_EQ(index.Find(BlockCount(20), BlockCount(1), Pfn(0)), Blocks(2 * kChunk - 5, 10));
}

TEST(FreeIndex, WhatWasSearchedInVainIsFoundOnceItIsFreed) {
  FreeIndex index(Blocks(0, 4 * kChunk));
  index.Put(Blocks(10, 4));
  index.Put(Blocks(16, 4));
  EXPECT_FALSE(index.Find(BlockCount(10), BlockCount(10), Pfn(0)));
  index.Put(Blocks(14, 2));
  EXPECT_EQ(index.Find(BlockCount(10), BlockCount(10), Pfn(0)), Blocks(10, 10));
}

TEST(FreeIndex, AFullGiBCostsLessThan8KiBAndAFragmentedOneLessThan48) {
  const BlockRun group = Blocks(0, kGroupBlocksMax);
  FreeIndex index = AllFree(group);
  EXPECT_LT(index.MemoryBytes(), 8U << 10);
  for (uint64_t block = 0; block < kGroupBlocksMax; block += 2) index.Take(Blocks(block, 1));
  // 32 KiB of bits and a pointer to each chunk's.
  EXPECT_LT(index.MemoryBytes(), 48U << 10);
  for (uint64_t block = 1; block < kGroupBlocksMax; block += 2) index.Take(Blocks(block, 1));
  EXPECT_LT(index.MemoryBytes(), 8U << 10);
}

// One flag per block; answers by looking at each.
class Model {
 public:
  explicit Model(BlockRun range) : range_(range), free_(range.length.value()) {}

  void Set(BlockRun run, bool free) {
    for (uint64_t i = 0; i < run.length.value(); ++i) At(run.start.value() + i) = free;
  }
  bool All(BlockRun run, bool free) {
    for (uint64_t i = 0; i < run.length.value(); ++i) {
      if (At(run.start.value() + i) != free) return false;
    }
    return true;
  }
  uint64_t free() const { return static_cast<uint64_t>(std::ranges::count(free_, true)); }
  uint64_t LengthAt(uint64_t block) {
    uint64_t length = 0;
    while (block + length < range_.end().value() && At(block + length)) ++length;
    return length;
  }
  uint64_t Longest() {
    uint64_t longest = 0;
    for (uint64_t block = range_.start.value(); block < range_.end().value();) {
      const uint64_t length = LengthAt(block);
      longest = std::max(longest, length);
      block += length + 1;
    }
    return longest;
  }
  bool HasAligned(uint64_t length) {
    for (uint64_t block = (range_.start.value() + kChunk - 1) / kChunk * kChunk;
         block < range_.end().value(); block += kChunk) {
      if (LengthAt(block) >= length) return true;
    }
    return false;
  }

 private:
  std::vector<bool>::reference At(uint64_t block) { return free_[block - range_.start.value()]; }
  BlockRun range_;
  std::vector<bool> free_;
};

// Range starts and lengths that are and are not multiples of a chunk.
class FreeIndexModel : public testing::TestWithParam<std::pair<uint64_t, uint64_t>> {};

TEST_P(FreeIndexModel, AgreesAfterEveryRandomStep) {
  const BlockRun range = Blocks(GetParam().first, GetParam().second);
  FreeIndex index(range);
  Model model(range);
  std::mt19937_64 random(range.start.value() * 31 + range.length.value());
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto length = [&] { return 1 + (below(8) == 0 ? below(1500) : below(12)); };
  for (int step = 0; step < 6000; ++step) {
    const uint64_t start = range.start.value() + below(range.length.value());
    const uint64_t size = std::min(length(), range.end().value() - start);
    const bool filling = step / 1500 % 2 == 0;
    if (below(3) == 0 && filling && model.All(Blocks(start, size), false)) {
      index.Put(Blocks(start, size));
      model.Set(Blocks(start, size), true);
    } else if (below(3) == 0 && !filling && model.All(Blocks(start, size), true)) {
      index.Take(Blocks(start, size));
      model.Set(Blocks(start, size), false);
    }
    ASSERT_EQ(index.free().value(), model.free());
    const uint64_t want = length();
    const uint64_t at_least = below(2) == 0 ? want : 1 + below(want);
    const auto at = index.RunAt(Pfn(start), BlockCount(want));
    ASSERT_EQ(at ? at->length.value() : 0, std::min(model.LengthAt(start), want));
    const auto found = index.Find(BlockCount(want), BlockCount(at_least), Pfn(start));
    const uint64_t longest = model.Longest();
    ASSERT_EQ(found.has_value(), longest >= at_least) << want << " " << at_least;
    if (!found) continue;
    ASSERT_TRUE(model.All(*found, true));
    ASSERT_GE(found->length.value(), at_least);
    ASSERT_LE(found->length.value(), want);
    if (longest >= want && want < kChunk) {
      ASSERT_EQ(found->length.value(), want);
    }
    if (want >= kChunk && model.HasAligned(want)) {
      ASSERT_EQ(found->start.value() % kChunk, 0U);
      ASSERT_EQ(found->length.value(), want);
    }
    if (below(4) == 0) {
      index.Take(*found);
      model.Set(*found, false);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ranges, FreeIndexModel,
                         testing::Values(std::pair(0, 64), std::pair(64, 64),
                                         std::pair(0, 4 * kChunk), std::pair(4 * kChunk, 1000),
                                         std::pair(777, 2345)));

}  // namespace
}  // namespace holdfast::fsmeta
