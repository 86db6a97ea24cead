// SPDX-License-Identifier: Apache-2.0
// Who allocates inodes from which cluster, and what is learned when.
#include "fsmeta/cluster_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace holdfast::fsmeta {
namespace {

using daxcore::Fail;
using daxcore::Result;
using testing::ElementsAre;
using testing::Optional;

constexpr auto kNobody = std::span<const uint64_t>();

class ClusterRoomTest : public testing::Test {
 protected:
  void Open(std::vector<uint32_t> free) {
    on_medium_ = std::move(free);
    room_.SetEnd(on_medium_.size());
  }
  Result<uint32_t> Read(uint64_t cluster) {
    read_.push_back(cluster);
    if (cluster == broken_) return Fail(EUCLEAN);
    return on_medium_[cluster];
  }
  Result<bool> KnowMore(uint64_t most) {
    return room_.KnowMore(most, [this](uint64_t cluster) { return Read(cluster); });
  }
  Result<void> Know(uint64_t cluster) {
    return room_.Know(cluster, [this](uint64_t c) { return Read(c); });
  }

  ClusterRoom room_{2};
  std::vector<uint32_t> on_medium_;
  std::vector<uint64_t> read_;
  uint64_t broken_ = ~uint64_t{0};
};

TEST_F(ClusterRoomTest, NothingIsReadUntilAskedThenFromTheEndAndOnce) {
  Open({5, 0, 7, 0, 0});
  EXPECT_EQ(room_.Choose(0, 0, kNobody, true), std::nullopt);
  EXPECT_TRUE(read_.empty());
  EXPECT_TRUE(*KnowMore(2));
  EXPECT_THAT(read_, ElementsAre(4, 3));
  ASSERT_TRUE(Know(1));
  ASSERT_TRUE(Know(1));
  EXPECT_TRUE(*KnowMore(100));
  EXPECT_FALSE(*KnowMore(100));
  EXPECT_THAT(read_, ElementsAre(4, 3, 1, 2, 0));
  EXPECT_EQ(room_.free(), 12U);
}

TEST_F(ClusterRoomTest, AnUnsoundHeadIsReportedAndAskedForAgain) {
  Open({5, 5, 5});
  broken_ = 1;
  EXPECT_EQ(KnowMore(3).error().code, EUCLEAN);
  EXPECT_THAT(read_, ElementsAre(2, 1));
  EXPECT_EQ(KnowMore(3).error().code, EUCLEAN);
  EXPECT_EQ(room_.free(), 5U);
}

TEST_F(ClusterRoomTest, AStreamKeepsItsClusterAndTakesTheNearestNext) {
  Open({1, 3, 0, 4, 2});
  ASSERT_TRUE(KnowMore(5));
  EXPECT_THAT(room_.Choose(0, 3, kNobody, false), Optional(3));
  // Wherever the next parent is: its own cluster, until it is full.
  EXPECT_THAT(room_.Choose(0, 0, kNobody, false), Optional(3));
  for (int i = 0; i < 4; ++i) room_.Change(3, -1);
  EXPECT_THAT(room_.Choose(0, 3, kNobody, false), Optional(4));
}

TEST_F(ClusterRoomTest, StreamsDoNotShareAClusterUnlessTheyMust) {
  Open({9, 9});
  ASSERT_TRUE(KnowMore(2));
  EXPECT_THAT(room_.Choose(0, 0, kNobody, false), Optional(0));
  EXPECT_THAT(room_.Choose(1, 0, kNobody, false), Optional(1));
  const std::vector<uint64_t> full = {1};
  EXPECT_EQ(room_.Choose(1, 0, full, false), std::nullopt);
  EXPECT_THAT(room_.Choose(1, 0, full, true), Optional(0));
}

TEST_F(ClusterRoomTest, AClusterThatAStreamLeftIsThereForOthers) {
  Open({9, 9, 9});
  ASSERT_TRUE(KnowMore(3));
  EXPECT_THAT(room_.Choose(0, 0, kNobody, false), Optional(0));
  const std::vector<uint64_t> except = {0};
  EXPECT_THAT(room_.Choose(0, 0, except, false), Optional(1));
  EXPECT_THAT(room_.Choose(1, 0, kNobody, false), Optional(0));
}

TEST_F(ClusterRoomTest, AFreedSlotMakesRoomAgain) {
  Open({0, 0});
  ASSERT_TRUE(KnowMore(2));
  EXPECT_EQ(room_.Choose(0, 0, kNobody, true), std::nullopt);
  room_.Change(1, +1);
  EXPECT_THAT(room_.Choose(0, 0, kNobody, false), Optional(1));
  room_.Change(1, -1);
  EXPECT_EQ(room_.Choose(0, 0, kNobody, true), std::nullopt);
  EXPECT_EQ(room_.free(), 0U);
}

TEST_F(ClusterRoomTest, ANewClusterBelongsToWhoAddedIt) {
  Open({0});
  room_.AddEmpty(1, 1);
  EXPECT_EQ(room_.free(), kInodesPerCluster);
  EXPECT_EQ(room_.Choose(0, 0, kNobody, false), std::nullopt);
  EXPECT_THAT(room_.Choose(1, 0, kNobody, false), Optional(1));
  // It is known without being read.
  ASSERT_TRUE(Know(1));
  EXPECT_TRUE(read_.empty());
}

}  // namespace
}  // namespace holdfast::fsmeta
