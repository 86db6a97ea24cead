// SPDX-License-Identifier: Apache-2.0
// holdfast: usage, what needs no mount, and what is said of files that are on none.
#include "tools/holdfast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/scratch_dir.h"
#include "tests/tools/tool_run.h"
#include "tools/mkfs.h"

namespace holdfast::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tests::ToolRun;

class HoldfastTest : public testing::Test {
 protected:
  ToolRun Run(const Arguments& arguments) { return tests::RunTool(HoldfastMain, arguments); }
  void MakeRegion() {
    const ToolRun made =
        tests::RunTool(MkfsMain, {"--emulate", "--size", "8M", "--label", "pond", region_});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  // A file of a megabyte of ones on tmpfs.
  void MakeFile() {
    std::ofstream(file_) << std::string(1 << 20, '1');
    ASSERT_EQ(std::filesystem::file_size(file_), 1U << 20);
  }
  int64_t Blocks() {
    struct stat status;
    EXPECT_EQ(stat(file_.c_str(), &status), 0);
    return status.st_blocks;
  }
  void ExpectFailure(const ToolRun& run, const std::string& text, int code = 1) {
    EXPECT_EQ(run.code, code);
    EXPECT_THAT(run.err, HasSubstr(text));
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
  }

  tests::ScratchDir scratch_;
  std::string region_ = scratch_ / "region";
  std::string file_ = scratch_ / "file";
};

TEST_F(HoldfastTest, UsageErrorsExitWithTwo) {
  ExpectFailure(Run({}), "subcommand", 2);
  ExpectFailure(Run({"frobnicate"}), "holdfast: there is no 'frobnicate'; try --help", 2);
  ExpectFailure(Run({"punch", file_}), "--length", 2);
  ExpectFailure(Run({"punch", "--length", "1Q", file_}), "1Q", 2);
  ExpectFailure(Run({"reflink", file_}), "DST", 2);
  ExpectFailure(Run({"dump", region_, "nonsense"}), "nonsense", 2);
}

TEST_F(HoldfastTest, EverySubcommandHasHelp) {
  for (const char* command : {"reflink", "allocate", "punch", "zero", "collapse", "insert",
                              "unshare", "extents", "info", "dump"}) {
    const ToolRun run = Run({command, "--help"});
    EXPECT_EQ(run.code, 0) << command;
    EXPECT_THAT(run.out, HasSubstr(std::string("holdfast ") + command));
  }
  EXPECT_THAT(Run({"--help"}).out, HasSubstr("collapse"));
  EXPECT_THAT(Run({"--version"}).out, HasSubstr("holdfast 0."));
}

// fallocate(2) would change a file of any filesystem.
TEST_F(HoldfastTest, FilesOfOtherMountsAreNotChanged) {
  MakeFile();
  const std::string text = file_ + ": it is not on a Holdfast mount";
  const int64_t before = Blocks();
  ExpectFailure(Run({"punch", "--offset", "64K", "--length", "512K", file_}), text);
  ExpectFailure(Run({"zero", "--length", "512K", file_}), text);
  ExpectFailure(Run({"allocate", "--length", "2M", file_}), text);
  EXPECT_EQ(Blocks(), before);
  EXPECT_EQ(std::filesystem::file_size(file_), 1U << 20);
  std::ifstream file(file_);
  file.seekg(64 << 10);
  EXPECT_EQ(file.get(), '1');
  ExpectFailure(Run({"punch", "--length", "4K", scratch_ / "missing"}), "cannot open");
}

TEST_F(HoldfastTest, FilesOfOtherMountsAreNamedAsSuch) {
  MakeFile();
  const std::string text = file_ + ": it is not on a Holdfast mount";
  ExpectFailure(Run({"extents", file_}), text);
  ExpectFailure(Run({"collapse", "--length", "4K", file_}), text);
  ExpectFailure(Run({"insert", "--length", "4K", file_}), text);
  ExpectFailure(Run({"unshare", file_}), text);
  ExpectFailure(Run({"reflink", file_, scratch_ / "clone"}), text);
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "clone"));
  ExpectFailure(Run({"info", scratch_ / "."}), "it is not on a Holdfast mount");
}

TEST_F(HoldfastTest, ReflinkRefusesWhatItCannotShare) {
  MakeFile();
  ExpectFailure(Run({"reflink", file_, file_}), "to itself");
  ExpectFailure(Run({"reflink", scratch_ / ".", scratch_ / "x"}), "not a regular file");
  ExpectFailure(Run({"reflink", file_, "/proc/self/comm"}), "different mounts");
}

TEST_F(HoldfastTest, InfoOfARegion) {
  MakeRegion();
  const ToolRun run = Run({"info", "--json", region_});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto info = json::parse(run.out);
  EXPECT_EQ(info["superblock"]["label"], "pond");
  EXPECT_EQ(info["superblock"]["emulated"], true);
  EXPECT_THAT(Run({"info", region_}).out, HasSubstr("label: pond"));
}

TEST_F(HoldfastTest, DumpShowsEveryStructure) {
  MakeRegion();
  const auto dump = [&](Arguments arguments) {
    arguments.insert(arguments.begin(), {"dump", "--json", region_});
    const ToolRun run = Run(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out);
  };
  EXPECT_EQ(dump({"superblock"})["copy"]["label"], "pond");
  EXPECT_EQ(dump({"journal"})["lanes"].size(), 4U);
  const auto group = dump({"group", "0"});
  uint64_t free = 0;
  for (const auto& run : group["free"]) free += run["length"].get<uint64_t>();
  EXPECT_EQ(group["free_blocks"], free);
  EXPECT_EQ(dump({"inode", "1"})["mode"], "0040755");
  EXPECT_EQ(dump({"inode", "2"})["extents"][0]["length"], 16);
  EXPECT_EQ(dump({"inode", "99"})["mode"], "0000000");
  const auto tree = dump({"tree", "reverse-map:0"});
  EXPECT_EQ(tree["records"].size(), 3U);
  EXPECT_EQ(tree["records"][0]["inode"], 2);
  EXPECT_TRUE(dump({"tree", "refcounts:1"})["records"].empty());
  EXPECT_TRUE(dump({"tree", "extents:1"})["records"].empty());
}

TEST_F(HoldfastTest, DumpSaysWhatIsNotThere) {
  MakeRegion();
  ExpectFailure(Run({"dump", region_, "group", "99"}), "there is no group 99");
  ExpectFailure(Run({"dump", region_, "inode", "100000"}), "there is no inode 100000");
  ExpectFailure(Run({"dump", region_, "inode"}), "needs a number");
  ExpectFailure(Run({"dump", region_, "inode", "1x"}), "needs a number");
  ExpectFailure(Run({"dump", region_, "tree", "reverse-map:77"}), "there is no group 77");
  ExpectFailure(Run({"dump", region_, "tree", "oak:1"}), "there is no tree oak:1");
}

TEST_F(HoldfastTest, DumpShowsDamagedStructuresWithTheirFault) {
  MakeRegion();
  const auto slot = json::parse(Run({"dump", "--json", region_, "inode", "1"}).out)["self"];
  std::fstream file(region_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(slot.get<std::streamoff>() + 80);  // size
  file.put('x');
  file.close();
  const auto inode = json::parse(Run({"dump", "--json", region_, "inode", "1"}).out);
  EXPECT_EQ(inode["size"], 'x');
  EXPECT_THAT(inode["fault"].get<std::string>(), HasSubstr("checksum"));
}

}  // namespace
}  // namespace holdfast::tools
