// SPDX-License-Identifier: Apache-2.0
// Range sets against a set of integers.
#include "daxcore/range_set.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace holdfast::daxcore {
namespace {

TEST(RangeSet, MergesNeighbours) {
  RangeSet set;
  set.Add(0, 5);
  set.Add(10, 15);
  EXPECT_EQ(set.range_count(), 2U);
  set.Add(5, 10);
  EXPECT_EQ(set.range_count(), 1U);
  EXPECT_TRUE(set.Contains(0, 15));
  EXPECT_FALSE(set.Contains(0, 16));
}

TEST(RangeSet, EmptyRangesChangeNothing) {
  RangeSet set;
  set.Add(5, 5);
  set.Add(7, 3);
  EXPECT_TRUE(set.empty());
  set.Add(1, 4);
  set.Remove(2, 2);
  EXPECT_TRUE(set.Contains(1, 4));
  EXPECT_FALSE(set.Next(3, 3));
}

TEST(RangeSet, NextIsCutAtBothEnds) {
  RangeSet set;
  set.Add(10, 20);
  EXPECT_EQ(set.Next(0, 15), (Interval{10, 15}));
  EXPECT_EQ(set.Next(12, 100), (Interval{12, 20}));
  EXPECT_FALSE(set.Next(20, 100));
  EXPECT_FALSE(set.Next(0, 10));
}

constexpr uint64_t kUniverse = 64;
using Bits = std::bitset<kUniverse>;

void ExpectSame(const RangeSet& set, const Bits& bits) {
  size_t ranges = 0;
  for (uint64_t i = 0; i < kUniverse; ++i) {
    ASSERT_EQ(set.Overlaps(i, i + 1), bits[i]) << i;
    ranges += bits[i] && (i == 0 || !bits[i - 1]);
  }
  ASSERT_EQ(set.range_count(), ranges);
}

TEST(RangeSet, AgreesWithASetOfIntegers) {
  std::mt19937 random(42);
  RangeSet set;
  Bits bits;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t start = random() % kUniverse;
    const uint64_t end = start + random() % (kUniverse - start + 1);
    const bool add = random() % 2 == 0;
    if (add) {
      set.Add(start, end);
    } else {
      set.Remove(start, end);
    }
    for (uint64_t i = start; i < end; ++i) bits[i] = add;
    ExpectSame(set, bits);
  }
}

}  // namespace
}  // namespace holdfast::daxcore
