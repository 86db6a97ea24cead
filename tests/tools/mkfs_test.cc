// SPDX-License-Identifier: Apache-2.0
// mkfs.holdfast: what it makes, what it refuses to destroy, and how it says so.
#include "tools/mkfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daxcore/region.h"
#include "fsmeta/superblock.h"
#include "tests/support/scratch_dir.h"
#include "tests/tools/tool_run.h"

namespace holdfast::tools {
namespace {

using daxcore::Region;
using testing::HasSubstr;
using tests::ToolRun;

class MkfsTest : public testing::Test {
 protected:
  ToolRun Mkfs(Arguments arguments) { return tests::RunTool(MkfsMain, arguments); }
  fsmeta::Superblock Superblock() {
    const auto region = Region::Open(path_, {.read_only = true});
    EXPECT_TRUE(region);
    const auto superblock = fsmeta::ReadSuperblock(**region);
    EXPECT_TRUE(superblock) << superblock.error().Text();
    return *superblock;
  }
  // Failure: its code, one line on stderr, nothing on stdout.
  void ExpectFailure(const ToolRun& run, int code, const std::string& text) {
    EXPECT_EQ(run.code, code);
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, HasSubstr("mkfs.holdfast: "));
    EXPECT_THAT(run.err, HasSubstr(text));
    EXPECT_EQ(std::ranges::count(run.err, '\n'), 1);
  }

  tests::ScratchDir scratch_;
  std::string path_ = scratch_ / "region";
};

TEST_F(MkfsTest, MakesAnEmulatedRegion) {
  const ToolRun run = Mkfs({"--emulate", "--size", "8M", "--label", "pond", "--uuid",
                            "01234567-89ab-cdef-0123-456789abcdef", path_});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("8 MiB"));
  EXPECT_THAT(run.out, HasSubstr("01234567-89ab-cdef-0123-456789abcdef"));
  EXPECT_EQ(std::filesystem::file_size(path_), uint64_t{8} << 20);
  const auto superblock = Superblock();
  EXPECT_STREQ(superblock.label, "pond");
  EXPECT_EQ(superblock.flags, fsmeta::kFlagEmulated);
}

TEST_F(MkfsTest, TellsInJson) {
  const ToolRun run = Mkfs({"--emulate", "--size=16MiB", "--geometry", "2M", "--json", path_});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto report = nlohmann::json::parse(run.out);
  EXPECT_EQ(report["bytes"], 16 << 20);
  EXPECT_EQ(report["geometry_bytes"], 2 << 20);
  EXPECT_EQ(report["emulated"], true);
  EXPECT_EQ(Superblock().geometry_shift, 21U);
}

TEST_F(MkfsTest, DestroysAFilesystemOnlyWhenForced) {
  ASSERT_EQ(Mkfs({"--emulate", "--size", "8M", "--label", "old", path_}).code, 0);
  ExpectFailure(Mkfs({"--emulate", path_}), 1, "holds a filesystem already");
  ExpectFailure(Mkfs({"--emulate", "--size", "9M", path_}), 1, "exists");
  EXPECT_STREQ(Superblock().label, "old");
  EXPECT_EQ(Mkfs({"--emulate", "--force", "--label", "new", path_}).code, 0);
  EXPECT_STREQ(Superblock().label, "new");
  EXPECT_EQ(Mkfs({"--emulate", "--force", "--size", "9M", path_}).code, 0);
  EXPECT_EQ(std::filesystem::file_size(path_), uint64_t{9} << 20);
}

TEST_F(MkfsTest, OverwritesForeignDataOnlyWhenForced) {
  std::ofstream(path_) << "precious";
  std::filesystem::resize_file(path_, 8 << 20);
  ExpectFailure(Mkfs({"--emulate", path_}), 1, "holds data already");
  EXPECT_EQ(Mkfs({"--emulate", "--force", path_}).code, 0);
}

TEST_F(MkfsTest, FormatsAnEmptyFileInPlace) {
  std::ofstream{path_};
  std::filesystem::resize_file(path_, 8 << 20);
  EXPECT_EQ(Mkfs({"--emulate", path_}).code, 0);
  EXPECT_EQ(Superblock().block_count, 2048U);
}

TEST_F(MkfsTest, O1MountedRegionIsRefusedByName) {
  ASSERT_EQ(Mkfs({"--emulate", "--size", "8M", path_}).code, 0);
  const auto owner = Region::Open(path_, {});
  ASSERT_TRUE(owner);
  // The refusal is what is tested here, not the patience before it.
  const ToolRun run = Mkfs({"--emulate", "--force", path_});
  ExpectFailure(run, 1, "pid " + std::to_string(getpid()));
}

TEST_F(MkfsTest, PlainFilesNeedEmulate) {
  std::ofstream{path_};
  std::filesystem::resize_file(path_, 8 << 20);
  ExpectFailure(Mkfs({path_}), 1, "--emulate");
}

TEST_F(MkfsTest, WhatCannotBeMadeLeavesNothingBehind) {
  ExpectFailure(Mkfs({"--emulate", "--size", "1M", path_}), 1, "too small");
  ExpectFailure(Mkfs({"--emulate", "--size", "8M", "--geometry", "1G", path_}), 1, "geometry");
  ExpectFailure(Mkfs({"--emulate", "--size", "8M", "--label", std::string(65, 'x'), path_}), 1,
                "label");
  ExpectFailure(Mkfs({"--emulate", "--size", "8M", "--uuid", "nonsense", path_}), 1, "uuid");
  ExpectFailure(Mkfs({"--emulate", "--size", "100000T", path_}), 1, path_);
  EXPECT_FALSE(std::filesystem::exists(path_));
  ExpectFailure(Mkfs({"--emulate", path_}), 1, "--size");
  ExpectFailure(Mkfs({path_}), 1, path_);
}

TEST_F(MkfsTest, UsageErrorsExitWithTwo) {
  ExpectFailure(Mkfs({}), 2, "REGION");
  ExpectFailure(Mkfs({"--emulate", "--size", "12Q", path_}), 2, "12Q");
  ExpectFailure(Mkfs({"--no-such-option", path_}), 2, "--no-such-option");
  ExpectFailure(Mkfs({"--geometry", "8K", path_}), 2, "8K");
  ExpectFailure(Mkfs({"a", "b"}), 2, "b");
}

TEST_F(MkfsTest, HelpAndVersionGoToStdout) {
  const ToolRun help = Mkfs({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* word : {"--emulate", "--size", "--geometry", "--label", "--uuid", "--force"}) {
    EXPECT_THAT(help.out, HasSubstr(word));
  }
  const ToolRun version = Mkfs({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, HasSubstr("mkfs.holdfast 0."));
}

}  // namespace
}  // namespace holdfast::tools
