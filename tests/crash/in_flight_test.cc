// SPDX-License-Identifier: Apache-2.0
// What is in flight: stores until a drain covers them.
#include "tests/crash/in_flight.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast::tests {
namespace {

class InFlightTest : public testing::Test {
 protected:
  InFlightTest() { region_ = recorder_.MakeRegion(8192); }
  daxcore::Persist& verbs() { return region_->persist(); }
  void* At(uint64_t offset) { return region_->Target(offset); }
  void TakeLog() {
    for (const RecordedEvent& event : recorder_.Events()) in_flight_.Add(recorder_, event);
  }

  Recorder recorder_;
  std::unique_ptr<daxcore::Region> region_;
  InFlight in_flight_{{4096, 8192}};
  const std::vector<std::byte> bytes_ = std::vector<std::byte>(1000, std::byte{7});
};

TEST_F(InFlightTest, CachedStoresStayUntilFlushedAndDrained) {
  verbs().Store(At(0), bytes_.data(), 8);
  verbs().Store(At(128), bytes_.data(), 8);
  verbs().Flush(At(128), 8);
  TakeLog();
  ASSERT_EQ(in_flight_.units().size(), 2U);
  const auto durable = in_flight_.Drain();
  ASSERT_EQ(durable.size(), 1U);
  EXPECT_EQ(durable[0].offset, 128U);
  ASSERT_EQ(in_flight_.units().size(), 1U) << "never flushed";
  EXPECT_EQ(in_flight_.units()[0].offset, 0U);
  EXPECT_TRUE(in_flight_.Drain().empty());
}

TEST_F(InFlightTest, AStoreAfterTheFlushIsNotCovered) {
  verbs().Flush(At(0), 8);
  verbs().Store(At(0), bytes_.data(), 8);
  TakeLog();
  EXPECT_TRUE(in_flight_.Drain().empty());
}

TEST_F(InFlightTest, NonTemporalStoresNeedADrainOnly) {
  verbs().CopyNt(At(0), bytes_.data(), 1000);
  verbs().ZeroNt(At(1024), 512);
  TakeLog();
  ASSERT_EQ(in_flight_.units().size(), 2U) << "data is one unit";
  EXPECT_TRUE(in_flight_.units()[0].whole_blocks());
  EXPECT_EQ(in_flight_.units()[1].bytes[511], std::byte{0});
  EXPECT_EQ(in_flight_.Drain().size(), 2U);
}

TEST_F(InFlightTest, CachedAndJournalStoresGoLineByLine) {
  verbs().Store(At(60), bytes_.data(), 100);
  verbs().CopyNt(At(4096), bytes_.data(), 640);
  TakeLog();
  ASSERT_EQ(in_flight_.units().size(), 3U + 10U);
  EXPECT_EQ(in_flight_.units()[0].end(), 64U);
  EXPECT_EQ(in_flight_.units()[1].bytes.size(), 64U);
  EXPECT_EQ(in_flight_.units()[2].end(), 160U);
}

}  // namespace
}  // namespace holdfast::tests
