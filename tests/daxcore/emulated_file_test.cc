// SPDX-License-Identifier: Apache-2.0
// Making emulated regions: what is refused, and what a failure leaves behind.
#include "daxcore/emulated_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daxcore/types.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::daxcore {
namespace {

using tests::ScratchDir;

constexpr uint64_t kSize = 1 << 20;

// More than the filesystem could ever give.
uint64_t TooMuch(const std::string& path) {
  struct statvfs fs;
  EXPECT_EQ(statvfs(path.c_str(), &fs), 0);
  return AlignUp(fs.f_blocks * fs.f_frsize + kBlockSize, kBlockSize);
}

TEST(EmulatedFile, RefusesToReplaceWithoutForce) {
  ScratchDir dir;
  ASSERT_TRUE(CreateEmulatedFile(dir / "r", kSize, false));
  EXPECT_EQ(CreateEmulatedFile(dir / "r", kSize, false).error().code, EEXIST);
  EXPECT_TRUE(CreateEmulatedFile(dir / "r", 2 * kSize, true));
  EXPECT_EQ(std::filesystem::file_size(dir / "r"), 2 * kSize);
}

TEST(EmulatedFile, ReplacingZeroesTheOldBytes) {
  ScratchDir dir;
  {
    std::ofstream(dir / "r") << std::string(kSize, 'x');
  }
  ASSERT_TRUE(CreateEmulatedFile(dir / "r", kSize, true));
  std::ifstream file(dir / "r");
  std::string bytes(kSize, 'y');
  file.read(bytes.data(), kSize);
  EXPECT_EQ(bytes, std::string(kSize, '\0'));
}

TEST(EmulatedFile, NoSpaceLeavesNothingBehind) {
  ScratchDir dir;
  auto result = CreateEmulatedFile(dir / "r", TooMuch(dir / ""), false);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ENOSPC);
  EXPECT_FALSE(std::filesystem::exists(dir / "r"));
}

TEST(EmulatedFile, NoSpaceLeavesTheOldRegionAsItWas) {
  ScratchDir dir;
  {
    std::ofstream(dir / "r") << std::string(kSize, 'x');
  }
  EXPECT_EQ(CreateEmulatedFile(dir / "r", TooMuch(dir / ""), true).error().code, ENOSPC);
  EXPECT_EQ(std::filesystem::file_size(dir / "r"), kSize);
  std::ifstream file(dir / "r");
  EXPECT_EQ(file.get(), 'x');
}

TEST(EmulatedFile, RefusesOddSizesAndOddFiles) {
  ScratchDir dir;
  EXPECT_EQ(CreateEmulatedFile(dir / "r", 0, false).error().code, EINVAL);
  EXPECT_EQ(CreateEmulatedFile(dir / "r", kBlockSize + 1, false).error().code, EINVAL);
  EXPECT_EQ(CreateEmulatedFile("/dev/null", kSize, true).error().code, EINVAL);
  EXPECT_EQ(CreateEmulatedFile(dir / "no/such", kSize, false).error().code, ENOENT);
}

}  // namespace
}  // namespace holdfast::daxcore
