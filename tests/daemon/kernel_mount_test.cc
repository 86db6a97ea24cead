// SPDX-License-Identifier: Apache-2.0
// Mounts that nobody serves: made with the right flags, changed, and taken away.
#include "daemon/kernel_mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class KernelMountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
    mkdir(place_.mountpoint.c_str(), 0755);
  }
  // The line of the topmost mount there in the kernel's table; "" without one.
  std::string LastLine() const {
    std::ifstream table("/proc/self/mountinfo");
    std::string found;
    for (std::string line; std::getline(table, line);) {
      if (line.find(" " + place_.mountpoint + " ") != std::string::npos) found = line;
    }
    return found;
  }

  tests::ScratchDir dir_;
  const MountPlace place_{"/dev/some-region", dir_ / "mnt"};
  Options options_;
};

TEST_F(KernelMountTest, IsAFuseMountWithTheFlagsAskedFor) {
  options_.read_only = true;
  options_.atime = fsmeta::AtimeMode::kNever;
  options_.kernel.suid = false;
  auto mount = KernelMount::Make(place_, options_);
  ASSERT_TRUE(mount) << mount.error().Text();
  EXPECT_THAT(LastLine(), AllOf(HasSubstr(" - fuse.holdfast /dev/some-region "), HasSubstr(" ro,"),
                                HasSubstr("noatime"), HasSubstr("nosuid"),
                                HasSubstr("default_permissions"), HasSubstr("allow_other")));
  EXPECT_TRUE((*mount)->TryUnmount());
  EXPECT_EQ(LastLine(), "");
  EXPECT_TRUE((*mount)->TryUnmount()) << "it is gone";
}

TEST_F(KernelMountTest, IsRemountedReadOnly) {
  auto mount = KernelMount::Make(place_, options_);
  ASSERT_TRUE(mount) << mount.error().Text();
  EXPECT_THAT(LastLine(), HasSubstr(" rw,"));
  options_.read_only = true;
  ASSERT_TRUE(KernelMount::Change(place_, options_));
  EXPECT_THAT(LastLine(), HasSubstr(" ro,"));
}

TEST_F(KernelMountTest, GoesWithItsOwner) {
  {
    auto mount = KernelMount::Make(place_, options_);
    ASSERT_TRUE(mount) << mount.error().Text();
    EXPECT_NE(LastLine(), "");
  }
  EXPECT_EQ(LastLine(), "");
}

TEST_F(KernelMountTest, CuttingLeavesAloneWhatIsMountedThereByNow) {
  auto mount = KernelMount::Make(place_, options_);
  ASSERT_TRUE(mount) << mount.error().Text();
  (*mount)->TakeChannel();  // closed, so that nobody waits for an answer
  ASSERT_EQ(::mount("none", place_.mountpoint.c_str(), "tmpfs", 0, nullptr), 0);
  (*mount)->Cut();
  EXPECT_THAT(LastLine(), HasSubstr(" - tmpfs "));
  ASSERT_EQ(umount2(place_.mountpoint.c_str(), MNT_DETACH), 0);
  EXPECT_THAT(LastLine(), HasSubstr(" - fuse.holdfast "));
  (*mount)->Cut();
  EXPECT_EQ(LastLine(), "");
}

TEST_F(KernelMountTest, SaysWhereItCannotMount) {
  const MountPlace nowhere{"/dev/some-region", dir_ / "missing"};
  const auto mount = KernelMount::Make(nowhere, options_);
  ASSERT_FALSE(mount);
  EXPECT_EQ(mount.error().code, ENOENT);
  EXPECT_THAT(mount.error().Text(), HasSubstr(nowhere.mountpoint));
  EXPECT_FALSE(KernelMount::Change(place_, options_)) << "nothing is mounted there";
}

}  // namespace
}  // namespace holdfast::daemon
