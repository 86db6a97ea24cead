// SPDX-License-Identifier: Apache-2.0
// Where the log goes, what it leaves out, and its file after a rotation.
#include "daemon/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  LogTest() { options_.log_file = path_; }
  ~LogTest() override { spdlog::set_default_logger(before_); }

  static std::string ContentOf(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  tests::ScratchDir dir_;
  const std::string path_ = dir_ / "log";
  Options options_;
};

TEST_F(LogTest, AFileGetsLinesOfTheLevelAndAbove) {
  options_.log_level = "warning";
  ASSERT_TRUE(StartLog(options_, /*foreground=*/false));
  spdlog::info("quiet");
  spdlog::warn("inode 7 bytes 0+4096: loud");
  EXPECT_THAT(ContentOf(path_), AllOf(HasSubstr("warning: inode 7 bytes 0+4096: loud\n"),
                                      HasSubstr("holdfastd["), Not(HasSubstr("quiet"))));
}

TEST_F(LogTest, StartedAgainItWritesToANewFile) {
  ASSERT_TRUE(StartLog(options_, /*foreground=*/false));
  spdlog::info("first");
  std::filesystem::rename(path_, dir_ / "log.1");
  spdlog::info("then this");
  ASSERT_TRUE(StartLog(options_, /*foreground=*/false));
  spdlog::info("last");
  EXPECT_THAT(ContentOf(dir_ / "log.1"),
              AllOf(HasSubstr("first"), HasSubstr("then this"), Not(HasSubstr("last"))));
  EXPECT_THAT(ContentOf(path_), AllOf(HasSubstr("last"), Not(HasSubstr("first"))));
}

TEST_F(LogTest, AFileThatCannotBeWrittenIsNamedAndTheOldLogStays) {
  options_.log_file = dir_ / "missing/log";
  const auto started = StartLog(options_, /*foreground=*/false);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ENOENT);
  EXPECT_THAT(started.error().message, HasSubstr(options_.log_file));
  EXPECT_EQ(spdlog::default_logger(), before_);
}

TEST_F(LogTest, InTheForegroundAutoIsStderr) {
  options_.log_file = "auto";
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(StartLog(options_, /*foreground=*/true));
  spdlog::error("to whoever looks");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("error: to whoever looks"));
}

}  // namespace
}  // namespace holdfast::daemon
