// SPDX-License-Identifier: Apache-2.0
// Images over what is durable: changed, hashed, put back.
#include "tests/crash/image_memory.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {
namespace {

constexpr std::array<std::byte, 4> kBytes = {std::byte{1}, std::byte{2}, std::byte{3},
                                             std::byte{4}};

class ImageMemoryTest : public testing::Test {
 protected:
  const std::vector<std::byte> formatted_ = MountedFilesystem(uint64_t{4} << 20).Image();
  ImageMemory memory_{formatted_};
  uint64_t journal_ = reinterpret_cast<const fsmeta::Superblock*>(formatted_.data())->journal_start
                      << daxcore::kBlockShift;
};

TEST_F(ImageMemoryTest, ResetTakesBackWhatWasWrittenByAnyWay) {
  const uint64_t clean = memory_.Hash();
  memory_.Write(5000, kBytes);
  auto region = memory_.MakeRegion();
  region->persist().ZeroNt(region->Target(100), 5000);
  region->persist().Store(region->Target(70'000), kBytes.data(), 4);
  EXPECT_NE(memory_.Hash(), clean);
  memory_.Reset();
  EXPECT_EQ(memory_.Hash(), clean);
  EXPECT_TRUE(std::ranges::equal(memory_.image(), formatted_));
}

TEST_F(ImageMemoryTest, TheHashIsThatOfTheBytes) {
  memory_.Write(5000, kBytes);
  const uint64_t written = memory_.Hash();
  memory_.Reset();
  EXPECT_NE(memory_.Hash(), written);
  memory_.MakeDurable(5000, kBytes);
  EXPECT_EQ(memory_.Hash(), written);
  EXPECT_EQ(ImageMemory(memory_.durable()).Hash(), written);
  memory_.Restart(formatted_);
  EXPECT_EQ(memory_.Hash(), ImageMemory(formatted_).Hash());
}

TEST_F(ImageMemoryTest, RecordsInLanesMeanNothingOnceRecovered) {
  const uint64_t all = memory_.Hash(), recovered = memory_.RecoveredHash();
  memory_.Write(journal_ + 64, kBytes);
  EXPECT_NE(memory_.Hash(), all);
  EXPECT_EQ(memory_.RecoveredHash(), recovered);
  memory_.Write(journal_ + 8, kBytes);
  EXPECT_NE(memory_.RecoveredHash(), recovered) << "the head does";
}

}  // namespace
}  // namespace holdfast::tests
