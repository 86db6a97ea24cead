// SPDX-License-Identifier: Apache-2.0
// Who holds a file, by name.
#include "daxcore/owner_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daxcore/process.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::daxcore {
namespace {

using tests::ScratchDir;

TEST(OwnerLock, O1_NamesTheHoldersPidAndCommand) {
  ScratchDir dir;
  const int fd = open((dir / "f").c_str(), O_RDWR | O_CREAT, 0600);
  EXPECT_FALSE(FindOwner(fd));
  ASSERT_TRUE(LockFile(fd, "f", true, std::chrono::milliseconds(0)));
  const auto owner = FindOwner(fd);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->pid, getpid());
  EXPECT_EQ(owner->command, CommandOf(getpid()));
  EXPECT_FALSE(owner->command.empty());
  close(fd);
}

// A daemon that locked and then forked into the background: /proc/locks names a dead process.
TEST(OwnerLock, O1_NamesTheProcessThatInheritedTheLock) {
  ScratchDir dir;
  const std::string path = dir / "f";
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
    if (flock(fd, LOCK_EX) != 0) _exit(1);
    const pid_t daemon = fork();
    if (daemon == 0) {
      pause();
      _exit(0);
    }
    _exit(write(report[1], &daemon, sizeof(daemon)) == sizeof(daemon) ? 0 : 1);
  }
  pid_t daemon = 0;
  ASSERT_EQ(read(report[0], &daemon, sizeof(daemon)), static_cast<ssize_t>(sizeof(daemon)));
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  const int fd = open(path.c_str(), O_RDWR);
  const auto result = LockFile(fd, path, true, std::chrono::milliseconds(0));
  EXPECT_FALSE(result);
  EXPECT_THAT(result.error().message, testing::HasSubstr(std::to_string(daemon)));
  kill(daemon, SIGKILL);
  // Killed owners leave no lock behind.
  EXPECT_TRUE(LockFile(fd, path, true, std::chrono::seconds(60)));
  close(fd);
}

TEST(OwnerLock, O1_WhoOnlyHasItOpenIsNoOwner) {
  ScratchDir dir;
  const int fd = open((dir / "f").c_str(), O_RDWR | O_CREAT, 0600);
  const int other = open((dir / "other").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(LockFile(other, "other", true, std::chrono::milliseconds(0)));
  EXPECT_FALSE(FindOwner(fd));
  close(other);
  close(fd);
}

TEST(OwnerLock, SharedLocksExcludeOnlyExclusiveOnes) {
  ScratchDir dir;
  const int a = open((dir / "f").c_str(), O_RDWR | O_CREAT, 0600);
  const int b = open((dir / "f").c_str(), O_RDONLY);
  EXPECT_TRUE(LockFile(a, "f", false, std::chrono::milliseconds(0)));
  EXPECT_TRUE(LockFile(b, "f", false, std::chrono::milliseconds(0)));
  EXPECT_EQ(LockFile(a, "f", true, std::chrono::milliseconds(0)).error().code, EBUSY);
  close(b);
  EXPECT_TRUE(LockFile(a, "f", true, std::chrono::milliseconds(0)));
  close(a);
}

TEST(OwnerLock, BadDescriptorIsAnErrorNotAWait) {
  EXPECT_EQ(LockFile(-1, "f", true, std::chrono::seconds(60)).error().code, EBADF);
}

}  // namespace
}  // namespace holdfast::daxcore
