// SPDX-License-Identifier: Apache-2.0
// What a mount says of failed memory and of owners.
#include "daemon/failure_report.h"

#include <gtest/gtest.h>

#include "daxcore/media_failure.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::daemon {
namespace {

using daxcore::kBlockSize;
using nlohmann::json;

class FailureReportTest : public testing::Test {
 protected:
  FailureReportTest() {
    EXPECT_TRUE(mounted_.Create("file"));
    file_ = *mounted_.Find("file");
    const std::vector<std::byte> bytes(2 * kBlockSize, std::byte{1});
    EXPECT_TRUE(fs().Write(mounted_.op(), file_, 0, bytes, false));
    place_ = fs().Layout(file_, 0, 1, 1)->front().region_offset;
  }
  fsmeta::Filesystem& fs() { return mounted_.fs(); }

  tests::MountedFilesystem mounted_;
  daxcore::Ino file_{0};
  uint64_t place_ = 0;
};

TEST_F(FailureReportTest, F2_OwnersAreNamedWithTheirOffsets) {
  const auto owners = OwnersOf(fs(), place_ + kBlockSize + 5, 1);
  ASSERT_TRUE(owners) << owners.error().Text();
  EXPECT_EQ(*owners, json({{"owners",
                            {{{"region_offset", place_ + kBlockSize},
                              {"length", kBlockSize},
                              {"kind", "file"},
                              {"inode", file_.value()},
                              {"file_offset", kBlockSize}}}}}));
}

TEST_F(FailureReportTest, F4_TheBlockOfTheLastByteBelongsToTheRange) {
  const auto owners = OwnersOf(fs(), place_ + 10, kBlockSize);
  ASSERT_TRUE(owners);
  EXPECT_EQ((*owners)["owners"][0]["length"], 2 * kBlockSize);
  const uint64_t end = Bytes(mounted_.volume().medium().blocks());
  EXPECT_EQ(OwnersOf(fs(), end, 1).error().code, ENXIO);
  EXPECT_EQ(OwnersOf(fs(), UINT64_MAX, UINT64_MAX).error().code, ENXIO);
  const auto last = OwnersOf(fs(), end - 1, UINT64_MAX);
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)["owners"][0]["what"], "superblock copy");
}

TEST_F(FailureReportTest, F1_FailuresAreListedWhenTheyAreMetAndCounted) {
  daxcore::MediaFailure& failure = mounted_.volume().failure();
  EXPECT_EQ(FailuresOf(fs()), json({{"failures", json::array()}}));
  ASSERT_TRUE(failure.Inject(place_, 1));
  EXPECT_EQ(FailuresOf(fs())["failures"].size(), 0U);
  EXPECT_FALSE(failure.Probe(place_, 2 * kBlockSize));
  EXPECT_EQ(FailuresOf(fs()),
            json({{"failures", {{{"region_offset", place_}, {"length", kBlockSize}}}}}));
  const json counters = FailureCountersOf(fs());
  EXPECT_EQ(counters["bad_bytes"], kBlockSize);
  EXPECT_EQ(counters["poisoned_loads"], 0);
  EXPECT_EQ(counters["page_canary_hits"], 0);
  EXPECT_EQ(counters["allocator_oracle_hits"], 0);
}

}  // namespace
}  // namespace holdfast::daemon
