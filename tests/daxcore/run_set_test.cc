// SPDX-License-Identifier: Apache-2.0
// Sets of referenced blocks with their pages.
#include "daxcore/run_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::daxcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileRange Blocks(uint64_t start, uint64_t end) { return {FileBlock(start), FileBlock(end)}; }
FileRun Piece(uint64_t index, uint64_t pfn, uint64_t n) {
  return {FileBlock(index), Pfn(pfn), BlockCount(n)};
}

TEST(RunSet, TakesPartsOutOfTheMiddle) {
  RunSet set;
  set.Add(Piece(10, 100, 10));
  EXPECT_THAT(set.Take(Blocks(13, 15)), ElementsAre(Piece(13, 103, 2)));
  EXPECT_THAT(set.List(), ElementsAre(Piece(10, 100, 3), Piece(15, 105, 5)));
  EXPECT_EQ(set.blocks(), BlockCount(8));
  EXPECT_THAT(set.Take(kWholeFile), ElementsAre(Piece(10, 100, 3), Piece(15, 105, 5)));
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.blocks(), BlockCount(0));
}

TEST(RunSet, MergesOnlyWherePagesContinueToo) {
  RunSet set;
  set.Add(Piece(10, 100, 5));
  set.Add(Piece(15, 105, 5));
  set.Add(Piece(20, 300, 5));
  EXPECT_THAT(set.List(), ElementsAre(Piece(10, 100, 10), Piece(20, 300, 5)));
}

TEST(RunSet, FindsGaps) {
  RunSet set;
  EXPECT_EQ(set.FirstGap(Blocks(0, 5)), Blocks(0, 5));
  set.Add(Piece(2, 100, 3));
  set.Add(Piece(5, 500, 5));
  EXPECT_EQ(set.FirstGap(Blocks(0, 20)), Blocks(0, 2));
  EXPECT_EQ(set.FirstGap(Blocks(2, 20)), Blocks(10, 20)) << "over two runs in a row";
  EXPECT_EQ(set.FirstGap(Blocks(3, 9)), std::nullopt);
}

TEST(RunSet, TakesByPageWhereverItIs) {
  RunSet set;
  set.Add(Piece(0, 200, 4));
  set.Add(Piece(10, 100, 4));
  EXPECT_THAT(set.TakePages({Pfn(102), BlockCount(100)}),
              ElementsAre(Piece(0, 200, 2), Piece(12, 102, 2)));
  EXPECT_THAT(set.TakePages({Pfn(0), BlockCount(50)}), IsEmpty());
  EXPECT_EQ(set.blocks(), BlockCount(4));
}

TEST(RunSet, OverlapIsHalfOpen) {
  RunSet set;
  set.Add(Piece(10, 100, 5));
  EXPECT_FALSE(set.Overlaps(Blocks(0, 10)));
  EXPECT_TRUE(set.Overlaps(Blocks(0, 11)));
  EXPECT_TRUE(set.Overlaps(Blocks(14, 20)));
  EXPECT_FALSE(set.Overlaps(Blocks(15, 20)));
  EXPECT_FALSE(set.Overlaps(Blocks(12, 12)));
}

}  // namespace
}  // namespace holdfast::daxcore
