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
  static constexpr uint64_t kClusterHead = 200;        // bytes into the first inode cluster
  static constexpr uint64_t kInodeSlots = 4096 + 712;  // in the slot of the root
  // Breaks the checksum of an object.
  void Damage(uint64_t at = kClusterHead) {
    const auto superblock = fsmeta::ReadSuperblock(**Region::Open(path_, {.read_only = true}));
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(superblock->inode_cluster0 * 4096 + at));
    file.put('x');
  }
  std::string Bytes() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
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
  for (const auto& [one, other] : {std::pair("-n", "-y"), {"-n", "-p"}, {"-p", "-y"}}) {
    const ToolRun run = Fsck({one, other, path_});
    EXPECT_EQ(run.code, 16);
    EXPECT_THAT(run.err, HasSubstr(one));
  }
}

TEST_F(FsckTest, DamageIsFour) {
  Damage();
  const ToolRun run = Fsck({"-n", path_});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.out, HasSubstr("inode cluster 0 in block"));
  EXPECT_THAT(run.out, HasSubstr("errors,"));
}

TEST_F(FsckTest, RepairIsOneAndTheNextRunIsZero) {
  for (const char* flag : {"-p", "-a", "-y"}) {
    Damage();
    const ToolRun run = Fsck({flag, path_});
    EXPECT_EQ(run.code, 1) << run.out << run.err;
    EXPECT_THAT(run.out, HasSubstr("inode cluster 0: its head follows its slots\n"));
    EXPECT_THAT(run.out, HasSubstr("repaired, 1 changes, 0 of them lose something"));
    EXPECT_EQ(Fsck({flag, path_}).code, 0);
    EXPECT_EQ(Fsck({"-n", path_}).code, 0);
  }
}

TEST_F(FsckTest, PreenLeavesWhatLosesSomething) {
  Damage(kInodeSlots);
  const std::string before = Bytes();
  const ToolRun preen = Fsck({"-p", path_});
  EXPECT_EQ(preen.code, 4) << preen.out << preen.err;
  EXPECT_THAT(preen.out, HasSubstr("lost: inode 1: its slot is lost"));
  EXPECT_THAT(preen.err, HasSubstr("nothing was changed: 1 of these changes lose something"));
  EXPECT_TRUE(before == Bytes());
  EXPECT_EQ(Fsck({"-y", path_}).code, 1);
  EXPECT_EQ(Fsck({"-n", path_}).code, 0);
}

TEST_F(FsckTest, RepairTellsInJson) {
  Damage(kInodeSlots);
  const ToolRun run = Fsck({"-y", "--json", path_});
  EXPECT_EQ(run.code, 1);
  const auto report = nlohmann::json::parse(run.out);
  EXPECT_EQ(report["clean"], true);
  EXPECT_EQ(report["outcome"], "repaired");
  EXPECT_EQ(report["repairs"][0]["loses"], true);
  EXPECT_EQ(report["why"], "");
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
  for (const char* flag : {"-n", "-p", "-y"}) {
    const ToolRun run = Fsck({flag, path_});
    EXPECT_EQ(run.code, 8);
    EXPECT_THAT(run.err, HasSubstr("pid " + std::to_string(getpid())));
  }
}

TEST_F(FsckTest, UsageIsSixteen) {
  EXPECT_EQ(Fsck({}).code, 16);
  EXPECT_EQ(Fsck({"-Q", path_}).code, 16);
  EXPECT_EQ(Fsck({"--help"}).code, 0);
}

}  // namespace
}  // namespace holdfast::tools
