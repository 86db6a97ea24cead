// SPDX-License-Identifier: Apache-2.0
// The configuration file: what it sets, what it refuses, and that the one we ship is complete.
#include "daemon/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "daemon/option_table.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class ConfigFile : public ::testing::Test {
 protected:
  Result<void> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadConfigFile(path_, options_);
  }
  std::string ErrorOf(const std::string& text) {
    auto read = Read(text);
    return read ? "" : read.error().message;
  }

  tests::ScratchDir dir_;
  std::string path_ = dir_ / "holdfast.toml";
  Options options_;
};

TEST_F(ConfigFile, SetsKeysOfEveryKind) {
  ASSERT_TRUE(Read("busy_policy = \"wait\"\nbusy_timeout = 0\nallow_other = false\n"));
  EXPECT_EQ(options_.layout.busy_policy, daxcore::BusyPolicy::kWait);
  EXPECT_EQ(options_.layout.busy_timeout.count(), 0);
  EXPECT_EQ(options_.allow_other, false);
}

TEST_F(ConfigFile, NamesFileAndLineOfWhatItRefuses) {
  EXPECT_THAT(ErrorOf("\nbogus = 1\n"),
              AllOf(HasSubstr(path_), HasSubstr("line 2"), HasSubstr("\"bogus\"")));
  EXPECT_THAT(ErrorOf("busy_timeout = \"30\"\n"), HasSubstr("takes a number"));
  EXPECT_THAT(ErrorOf("busy_timeout = -1\n"), HasSubstr("0 to"));
  EXPECT_THAT(ErrorOf("ro = 1\n"), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf("cache = true\n"), HasSubstr("takes a string"));
  EXPECT_THAT(ErrorOf("cache = \"some\"\n"), HasSubstr("none, writeback"));
  EXPECT_THAT(ErrorOf("[section]\nro = true\n"), HasSubstr("\"section\""));
  EXPECT_THAT(ErrorOf("ro = \n"), HasSubstr("line 1"));
}

TEST_F(ConfigFile, AnErrorIsOneLineWhateverTheFileHolds) {
  EXPECT_THAT(ErrorOf("\"a\\nb\" = 1\n"), HasSubstr("unknown key \"a\\x0ab\""));
  EXPECT_THAT(ErrorOf("ro = tr\x01"), HasSubstr("'tr\\x01'"));
  EXPECT_THAT(ErrorOf("log_file = \"a\\nb\""), HasSubstr("log_file = \"a\\x0ab\""));
}

TEST_F(ConfigFile, SaysWhyItCannotBeRead) {
  auto read = ReadConfigFile(dir_ / "missing.toml", options_);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ENOENT);
  EXPECT_THAT(read.error().message, HasSubstr("missing.toml"));
  read = ReadConfigFile(dir_ / "", options_);
  ASSERT_FALSE(read) << "a folder is no configuration";
  EXPECT_EQ(read.error().code, EISDIR);
}

// The lines `#key = value` of the shipped file, in order.
std::vector<std::string> ShippedSettings() {
  std::ifstream file(HOLDFAST_SOURCE_DIR "/conf/holdfast.toml");
  EXPECT_TRUE(file.good());
  std::vector<std::string> settings;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#") && !line.starts_with("# ")) settings.push_back(line.substr(1));
  }
  return settings;
}

TEST_F(ConfigFile, ShippedFileListsExactlyTheKnownKeysWithTheirDefaults) {
  std::vector<std::string> expected;
  for (const OptionKey& key : OptionKeys()) {
    expected.push_back(std::string(key.name) + " = " + std::string(key.fallback));
  }
  EXPECT_THAT(ShippedSettings(), ElementsAreArray(expected));
}

TEST_F(ConfigFile, EveryShippedSettingCanBeSwitchedOn) {
  std::string text;
  for (const std::string& setting : ShippedSettings()) text += setting + "\n";
  EXPECT_EQ(ErrorOf(text), "");
}

}  // namespace
}  // namespace holdfast::daemon
