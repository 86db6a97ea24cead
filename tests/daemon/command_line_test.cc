// SPDX-License-Identifier: Apache-2.0
// What holdfastd accepts, and the one line it says about everything else.
#include "daemon/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    std::ofstream(region_) << "any bytes: the command line does not look";
    mkdir(mountpoint_.c_str(), 0755);
    std::ofstream(config_) << "busy_timeout = 7\nthreads = 5\n";
  }
  // Of region, mountpoint and `more`.
  ParsedCommandLine Parse(std::vector<std::string> more) {
    more.insert(more.begin(), {region_, mountpoint_});
    return ParseOnly(more);
  }
  ParsedCommandLine ParseOnly(const std::vector<std::string>& words) {
    std::vector<const char*> argv = {"holdfastd"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    auto parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data());
    said_ = ::testing::internal::GetCapturedStderr();
    printed_ = ::testing::internal::GetCapturedStdout();
    return parsed;
  }
  // Refused with `status` and one line.
  void ExpectRefused(const ParsedCommandLine& parsed, int status, const std::string& why) {
    EXPECT_FALSE(parsed.command);
    EXPECT_EQ(parsed.exit_status, status);
    EXPECT_THAT(said_, AllOf(StartsWith("holdfastd: "), HasSubstr(why), EndsWith("\n")));
    EXPECT_EQ(std::ranges::count(said_, '\n'), 1) << said_;
  }

  tests::ScratchDir dir_;
  const std::string region_ = dir_ / "region";
  const std::string mountpoint_ = dir_ / "mnt";
  const std::string config_ = dir_ / "conf.toml";
  std::string said_;
  std::string printed_;
};

TEST_F(CommandLineTest, TakesRegionAndMountpointAsTheyReallyAre) {
  std::filesystem::create_symlink(mountpoint_, dir_ / "link");
  const auto parsed = ParseOnly({region_, dir_ / "link", "-f"});
  ASSERT_TRUE(parsed.command) << said_;
  EXPECT_EQ(parsed.command->region, region_);
  EXPECT_EQ(parsed.command->mountpoint, mountpoint_);
  EXPECT_TRUE(parsed.command->foreground);
}

TEST_F(CommandLineTest, WhatFollowsDashOComesAfterTheFile) {
  const auto parsed =
      Parse({"--config", config_, "-o", "busy_timeout=9,noatime", "-o", "busy_policy=fail"});
  ASSERT_TRUE(parsed.command) << said_;
  EXPECT_EQ(parsed.command->options.layout.busy_timeout, std::chrono::seconds(9));
  EXPECT_EQ(parsed.command->options.layout.busy_policy, daxcore::BusyPolicy::kFail);
  EXPECT_EQ(parsed.command->options.atime, fsmeta::AtimeMode::kNever);
  EXPECT_EQ(parsed.command->options.threads, 5U);
}

TEST_F(CommandLineTest, WrongUseIsOneLineAndStatusTwo) {
  ExpectRefused(ParseOnly({}), kExitUsage, "REGION");
  ExpectRefused(ParseOnly({region_}), kExitUsage, "MOUNTPOINT");
  ExpectRefused(Parse({"third"}), kExitUsage, "third");
  ExpectRefused(Parse({"--wrong"}), kExitUsage, "--wrong");
  ExpectRefused(Parse({"-o", "bogus=1"}), kExitUsage, "bogus");
  ExpectRefused(Parse({"-o", "busy_timeout=soon"}), kExitUsage, "busy_timeout");
}

TEST_F(CommandLineTest, WhatIsNotThereIsNamedAndStatusOne) {
  ExpectRefused(ParseOnly({dir_ / "nothing", mountpoint_}), kExitFailure, dir_ / "nothing");
  ExpectRefused(ParseOnly({region_, dir_ / "nowhere"}), kExitFailure, dir_ / "nowhere");
  ExpectRefused(ParseOnly({region_, region_}), kExitFailure, "not a directory");
  ExpectRefused(Parse({"--config", dir_ / "none.toml"}), kExitFailure, dir_ / "none.toml");
}

TEST_F(CommandLineTest, HelpNamesEveryOption) {
  const auto parsed = ParseOnly({"--help"});
  EXPECT_FALSE(parsed.command);
  EXPECT_EQ(parsed.exit_status, 0);
  EXPECT_THAT(printed_, AllOf(HasSubstr("MOUNTPOINT"), HasSubstr("busy_policy = ")));
  EXPECT_EQ(ParseOnly({"--version"}).exit_status, 0);
  EXPECT_THAT(printed_, StartsWith("holdfastd "));
}

}  // namespace
}  // namespace holdfast::daemon
