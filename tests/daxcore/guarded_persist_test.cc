// SPDX-License-Identifier: Apache-2.0
// A guarded region: only the verbs can change it, and they meet failed memory where it is.
#include "daxcore/guarded_persist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "daxcore/media_failure.h"
#include "daxcore/region.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::daxcore {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kSize = uint64_t{16} * kBlockSize;

// Of memory, and of a file.
class GuardedRegion : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      ASSERT_TRUE(Region::CreateEmulatedFile(dir_ / "region", kSize, false));
      region_ = *Region::Open(dir_ / "region", {});
    } else {
      region_ = Region::InMemory(kSize);
    }
    if (region_->alias() == nullptr) {
      GTEST_SKIP() << "stores are guarded in builds with HOLDFAST_GUARD_STORES only";
    }
  }
  std::byte Load(uint64_t offset) {
    return *static_cast<const volatile std::byte*>(region_->At(offset));
  }
  // What the file holds, whatever is mapped.
  char InFile(uint64_t offset) {
    char c = 0;
    EXPECT_EQ(pread(region_->fd(), &c, 1, static_cast<off_t>(offset)), 1);
    return c;
  }

  tests::ScratchDir dir_;
  std::unique_ptr<Region> region_;
};
INSTANTIATE_TEST_SUITE_P(OnFile, GuardedRegion, testing::Bool());

using GuardedRegionDeathTest = GuardedRegion;
INSTANTIATE_TEST_SUITE_P(OnFile, GuardedRegionDeathTest, testing::Bool());

TEST_P(GuardedRegionDeathTest, AStorePastTheVerbsDies) {
  auto* const place = static_cast<volatile char*>(region_->Target(100));
  EXPECT_DEATH(*place = 'x', "");
  EXPECT_EQ(Load(100), std::byte{0});
}

TEST_P(GuardedRegionDeathTest, APageThatWasMappedAfreshOrCoveredIsGuardedToo) {
  ASSERT_TRUE(region_->Remap({kBlockSize, kBlockSize}));
  auto* const place = static_cast<volatile char*>(region_->Target(0));
  EXPECT_DEATH(place[kBlockSize] = 'x', "");
  const auto failure = *MediaFailure::Watch(*region_);
  ASSERT_TRUE(failure->Inject(2 * kBlockSize, 1));
  EXPECT_EQ(Load(2 * kBlockSize), std::byte{0});
  ASSERT_EQ(failure->poisoned_loads(), 1U);
  EXPECT_DEATH(place[2 * kBlockSize] = 'x', "");
}

TEST_P(GuardedRegion, StoresAreReadAtTheBaseAndKeptByTheFile) {
  const std::string text(2 * kBlockSize, 't');
  region_->persist().CopyNt(region_->Target(100), text.data(), text.size());
  region_->persist().Store(region_->Target(8 * kBlockSize), "12345678", 8);
  region_->persist().ZeroNt(region_->Target(kBlockSize - 10), 20);
  region_->persist().PersistRange(region_->At(0), kSize);
  std::string expected(kSize, '\0');
  expected.replace(100, text.size(), text);
  expected.replace(8 * kBlockSize, 8, "12345678");
  expected.replace(kBlockSize - 10, 20, 20, '\0');
  EXPECT_EQ(std::memcmp(region_->base(), expected.data(), kSize), 0);
  for (uint64_t at = 0; at < kSize; ++at) ASSERT_EQ(InFile(at), expected[at]) << at;
  EXPECT_TRUE(region_->DeepFlush(0, kSize));
}

TEST_P(GuardedRegion, AStoreIntoFailedMemoryEndsWhereItBegins) {
  const auto failure = *MediaFailure::Watch(*region_);
  ASSERT_TRUE(failure->Inject(5 * kBlockSize, 1));
  const std::string text(3 * kBlockSize, 't');
  EXPECT_EQ(failure->CopyNt(4 * kBlockSize, text.data(), text.size()).error().code, EIO);
  EXPECT_EQ(Load(5 * kBlockSize - 1), std::byte{'t'}) << "the page before was stored";
  EXPECT_EQ(InFile(5 * kBlockSize), 0) << "nothing reached the failed page";
  EXPECT_EQ(Load(6 * kBlockSize), std::byte{0});
  EXPECT_EQ(failure->poisoned_loads(), 0U);
  const auto met = failure->TakeNewlyMet();
  ASSERT_EQ(met.size(), 1U);
  EXPECT_EQ(met[0].offset, 5 * kBlockSize);
}

// As in a region that is not guarded: the zeroes are this process's own until the page is cleared.
TEST_P(GuardedRegion, AStoreIntoACoveredPageStaysInTheCover) {
  const auto failure = *MediaFailure::Watch(*region_);
  region_->persist().CopyNt(region_->Target(kBlockSize), "old", 3);
  ASSERT_TRUE(failure->Inject(kBlockSize, 1));
  region_->persist().Store(region_->Target(kBlockSize + 1), "new", 3);
  EXPECT_EQ(failure->poisoned_loads(), 1U);
  EXPECT_EQ(std::memcmp(region_->At(kBlockSize), "\0new", 4), 0);
  EXPECT_EQ(InFile(kBlockSize), 'o');
  ASSERT_TRUE(failure->Clear(kBlockSize, 1));
  EXPECT_EQ(std::memcmp(region_->At(kBlockSize), "old", 4), 0);
  region_->persist().Store(region_->Target(kBlockSize), "now", 3);
  EXPECT_EQ(InFile(kBlockSize), 'n');
}

// The file may shrink between the touch at the base and the store.
TEST_P(GuardedRegion, FailedMemoryMetThroughTheAliasIsTheSamePage) {
  const auto failure = *MediaFailure::Watch(*region_);
  ASSERT_EQ(ftruncate(region_->fd(), kSize / 2), 0);
  EXPECT_FALSE(RunGuarded([&] {
    *static_cast<volatile std::byte*>(region_->alias() + 9 * kBlockSize) = std::byte{1};
  }));
  EXPECT_TRUE(failure->IsBad(9 * kBlockSize, kBlockSize));
  *static_cast<volatile std::byte*>(region_->alias() + 10 * kBlockSize) = std::byte{1};
  EXPECT_EQ(Load(10 * kBlockSize), std::byte{1}) << "covered at both places";
  EXPECT_EQ(failure->poisoned_loads(), 1U);
}

}  // namespace
}  // namespace holdfast::daxcore
