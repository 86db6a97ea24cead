// SPDX-License-Identifier: Apache-2.0
// Whole text files: long ones, those of /proc, and what cannot be read.
#include "daemon/text_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

TEST(TextFile, IsReadWhole) {
  const tests::ScratchDir dir;
  const std::string path = dir / "text";
  std::ofstream(path) << "";
  EXPECT_EQ(ReadTextFile(path).value_or("?"), "");
  const std::string text(100'001, 't');
  std::ofstream(path) << text;
  EXPECT_TRUE(ReadTextFile(path) == text);
}

TEST(TextFile, OfProcHasNoSizeButAText) {
  const auto status = ReadTextFile("/proc/self/status");
  ASSERT_TRUE(status);
  EXPECT_NE(status->find("\nSigPnd:"), std::string::npos);
}

TEST(TextFile, SaysWhatCannotBeRead) {
  const tests::ScratchDir dir;
  auto text = ReadTextFile(dir / "missing");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ENOENT);
  EXPECT_NE(text.error().message.find(dir / "missing"), std::string::npos);
  text = ReadTextFile(dir / "");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, EISDIR);
}

// As where a thread ends between open and read: what is open already stays, and tells it.
TEST(TextFile, OfAProcessThatEndedIsAnErrorAndNoCrash) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const int status = open(("/proc/" + std::to_string(child) + "/status").c_str(), O_RDONLY);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto text = ReadTextFile("/proc/self/fd/" + std::to_string(status));
  close(status);
  ASSERT_FALSE(text);
  EXPECT_TRUE(text.error().code == ESRCH || text.error().code == ENOENT) << text.error().code;
}

}  // namespace
}  // namespace holdfast::daemon
