// SPDX-License-Identifier: Apache-2.0
// Checking a region whose memory has failed: it ends, and says where (rules F1, F5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daxcore/media_failure.h"
#include "fsmeta/checker.h"
#include "fsmeta/format_region.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class CheckerFailureTest : public testing::Test {
 protected:
  CheckerFailureTest() {
    EXPECT_TRUE(FormatRegion(*region_, {}));
    superblock_ = *ReadSuperblock(*region_);
  }
  void FailBlock(uint64_t block) {
    auto failure = *daxcore::MediaFailure::Watch(*region_);
    ASSERT_TRUE(failure->Inject(block << kBlockShift, 1));
  }
  std::vector<std::string> Check() {
    std::vector<std::string> lines;
    const auto report = CheckRegion(*region_);
    EXPECT_TRUE(report) << report.error().Text();
    if (!report) return lines;
    for (const Finding& finding : report->findings()) lines.push_back(finding.Text());
    return lines;
  }

  std::unique_ptr<Region> region_ = Region::InMemory(uint64_t{16} << 20);
  Superblock superblock_{};
};

TEST_F(CheckerFailureTest, F1_AGoodRegionIsCleanAsBefore) { EXPECT_TRUE(Check().empty()); }

TEST_F(CheckerFailureTest, F5_EveryPlaceThatHasFailedIsAFinding) {
  const GroupLayout group = LayoutOfGroup(superblock_, 0);
  for (const uint64_t block :
       {uint64_t{0}, group.header.value(), group.bitmap.value(), superblock_.journal_start,
        superblock_.inode_cluster0, superblock_.block_count - 1}) {
    FailBlock(block);
    EXPECT_THAT(Check(), Contains(HasSubstr(absl::StrCat("offset ", block << kBlockShift))));
    ASSERT_TRUE(region_->Remap({0, region_->size()}));
  }
}

TEST_F(CheckerFailureTest, F5_BothSuperblocksFailed) {
  FailBlock(0);
  for (uint64_t i = 1; i <= 3; ++i) FailBlock(region_->blocks().value() - i);
  EXPECT_THAT(Check(), Contains(HasSubstr("memory at offset 0: 4096 bytes have failed")));
}

}  // namespace
}  // namespace holdfast::fsmeta
