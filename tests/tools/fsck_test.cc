// SPDX-License-Identifier: Apache-2.0
// fsck.holdfast: its answers and its exit codes, those of fsck(8).
#include "tools/fsck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daxcore/region.h"
#include "fsmeta/format_region.h"
#include "fsmeta/superblock.h"
#include "tests/support/scratch_dir.h"
#include "tests/tools/tool_run.h"

namespace holdfast::tools {
namespace {

using daxcore::Region;
using testing::HasSubstr;
using tests::ToolRun;

class FsckTest : public testing::Test {
 protected:
  FsckTest() {
    EXPECT_TRUE(Region::CreateEmulatedFile(path_, 8 << 20, false));
    const auto region = Region::Open(path_, {});
    EXPECT_TRUE(fsmeta::FormatRegion(**region, {}));
  }
  ToolRun Fsck(Arguments arguments) { return tests::RunTool(FsckMain, arguments); }
  // Breaks the checksum of the first inode cluster's head.
  void Damage() {
    const auto superblock = fsmeta::ReadSuperblock(**Region::Open(path_, {.read_only = true}));
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(superblock->inode_cluster0 * 4096 + 200));
    file.put('x');
  }

  tests::ScratchDir scratch_;
  std::string path_ = scratch_ / "region";
};

TEST_F(FsckTest, CleanIsZero) {
  const ToolRun run = Fsck({"-n", path_});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("clean, 0 files, 1 directories"));
  EXPECT_EQ(run.err, "");
}

TEST_F(FsckTest, FstabPassOfACleanFilesystemIsZero) {
  for (const Arguments& flags : {Arguments{"-a"}, {"-p"}, {"-y"}, {"-a", "-T", "-C0"}, {"-f"}}) {
    Arguments arguments = flags;
    arguments.push_back(path_);
    EXPECT_EQ(Fsck(arguments).code, 0);
  }
}

TEST_F(FsckTest, ReportingAndRepairingExcludeEachOther) {
  const ToolRun run = Fsck({"-n", "-y", path_});
  EXPECT_EQ(run.code, 16);
  EXPECT_THAT(run.err, HasSubstr("-n"));
}

TEST_F(FsckTest, DamageIsFour) {
  Damage();
  const ToolRun run = Fsck({"-n", path_});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.out, HasSubstr("inode cluster 0 in block"));
  EXPECT_THAT(run.out, HasSubstr("errors,"));
}

TEST_F(FsckTest, AskedToRepairItSaysThatItCannotAndChangesNothing) {
  Damage();
  std::ifstream before_file(path_, std::ios::binary);
  const std::string before(std::istreambuf_iterator<char>(before_file), {});
  const ToolRun run = Fsck({"-y", path_});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.err, HasSubstr("cannot repair; nothing was changed"));
  std::ifstream after_file(path_, std::ios::binary);
  EXPECT_TRUE(before == std::string(std::istreambuf_iterator<char>(after_file), {}));
}

TEST_F(FsckTest, TellsInJson) {
  Damage();
  const ToolRun run = Fsck({"--json", path_});
  EXPECT_EQ(run.code, 4);
  const auto report = nlohmann::json::parse(run.out);
  EXPECT_EQ(report["clean"], false);
  EXPECT_GE(report["errors"], 1);
  EXPECT_EQ(report["findings"][0]["severity"], "error");
  EXPECT_EQ(report["findings"][0]["structure"], "inode cluster");
  EXPECT_EQ(report["totals"]["blocks"], 2048);
}

TEST_F(FsckTest, WhatCannotBeCheckedIsEight) {
  EXPECT_EQ(Fsck({scratch_ / "missing"}).code, 8);
  std::ofstream{scratch_ / "empty"};
  std::filesystem::resize_file(scratch_ / "empty", 8 << 20);
  const ToolRun empty = Fsck({scratch_ / "empty"});
  EXPECT_EQ(empty.code, 8);
  EXPECT_THAT(empty.err, HasSubstr("holds no Holdfast filesystem"));
  std::filesystem::resize_file(path_, 4 << 20);
  const ToolRun truncated = Fsck({path_});
  EXPECT_EQ(truncated.code, 8);
  EXPECT_THAT(truncated.err, HasSubstr("truncated"));
}

TEST_F(FsckTest, O1MountedRegionIsNotChecked) {
  const auto owner = Region::Open(path_, {});
  const ToolRun run = Fsck({"-n", path_});
  EXPECT_EQ(run.code, 8);
  EXPECT_THAT(run.err, HasSubstr("pid " + std::to_string(getpid())));
}

TEST_F(FsckTest, UsageIsSixteen) {
  EXPECT_EQ(Fsck({}).code, 16);
  EXPECT_EQ(Fsck({"-Q", path_}).code, 16);
  EXPECT_EQ(Fsck({"--help"}).code, 0);
}

}  // namespace
}  // namespace holdfast::tools
