// SPDX-License-Identifier: Apache-2.0
// rename(2) by the book.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fsmeta/namespace.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

class NamespaceRenameTest : public testing::Test {
 protected:
  NamespaceRenameTest() {
    for (const char* directory : {"a", "b", "a/sub", "a/sub/deep", "empty"}) {
      EXPECT_TRUE(mounted_.MakeDirectory(directory));
    }
    for (const char* file : {"a/f", "b/f", "b/g"}) EXPECT_TRUE(mounted_.Create(file));
  }
  ~NamespaceRenameTest() override { mounted_.ExpectSound(); }

  Ino Find(std::string_view path) { return mounted_.Find(path).value_or(Ino(0)); }
  int Rename(std::string_view from, std::string_view to, unsigned flags = 0) {
    return ErrorOf(mounted_.Rename(from, to, flags));
  }
  uint32_t Links(std::string_view path) { return mounted_.Stat(path)->nlink; }

  MountedFilesystem mounted_;
};

TEST_F(NamespaceRenameTest, MovesFilesAndDirectories) {
  const Ino f = Find("a/f");
  const Ino sub = Find("a/sub");
  EXPECT_EQ(Rename("a/f", "a/renamed"), 0);
  EXPECT_EQ(Rename("a/renamed", "b/new"), 0);
  EXPECT_EQ(Find("b/new"), f);
  EXPECT_EQ(Rename("a/sub", "b/sub"), 0);
  EXPECT_EQ(Find("b/sub"), sub);
  EXPECT_EQ(Find("b/sub/.."), Find("b"));
  EXPECT_EQ(Links("a"), 2U);
  EXPECT_EQ(Links("b"), 3U);
  EXPECT_TRUE(mounted_.List("a").empty());
}

TEST_F(NamespaceRenameTest, ReplacesFilesAndEmptyDirectories) {
  const Ino f = Find("a/f");
  const Ino old = Find("b/f");
  EXPECT_EQ(Rename("a/f", "b/f"), 0);
  EXPECT_EQ(Find("b/f"), f);
  EXPECT_EQ(ErrorOf(mounted_.fs().GetAttributes(old)), ESTALE);
  const Ino sub = Find("a/sub");
  EXPECT_EQ(Rename("a/sub", "empty"), 0);
  EXPECT_EQ(Find("empty"), sub);
  EXPECT_EQ(Links(""), 5U);
  EXPECT_EQ(Links("a"), 2U);
}

TEST_F(NamespaceRenameTest, ReplacedFileStaysWhileItIsOpen) {
  const Ino old = Find("b/f");
  ASSERT_TRUE(mounted_.fs().Open(old));
  EXPECT_EQ(Rename("a/f", "b/f"), 0);
  EXPECT_EQ(mounted_.fs().GetAttributes(old)->nlink, 0U);
  mounted_.fs().Release(old);
  EXPECT_EQ(ErrorOf(mounted_.fs().GetAttributes(old)), ESTALE);
}

TEST_F(NamespaceRenameTest, Refusals) {
  EXPECT_EQ(Rename("none", "x"), ENOENT);
  EXPECT_EQ(Rename("none/x", "x"), ENOENT);
  EXPECT_EQ(Rename("a/f", "b/f/x"), ENOTDIR);
  EXPECT_EQ(Rename("a/f", "empty"), EISDIR);
  EXPECT_EQ(Rename("empty", "a/f"), ENOTDIR);
  EXPECT_EQ(Rename("empty", "a"), ENOTEMPTY);
  EXPECT_EQ(Rename("a/f", std::string(256, 'x')), ENAMETOOLONG);
  EXPECT_EQ(Rename("a/.", "x"), EBUSY);
  EXPECT_EQ(Rename("a", "b/.."), EBUSY);
  EXPECT_EQ(Rename("a/f", "x", RENAME_WHITEOUT), EINVAL);
  EXPECT_EQ(Rename("a/f", "x", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
}

TEST_F(NamespaceRenameTest, NoDirectoryGoesBelowItself) {
  EXPECT_EQ(Rename("a", "a/sub/x"), EINVAL);
  EXPECT_EQ(Rename("a", "a/x"), EINVAL);
  EXPECT_EQ(Rename("a/sub", "a/sub/deep/x"), EINVAL);
  EXPECT_EQ(Rename("a", "a/sub/deep", RENAME_EXCHANGE), EINVAL);
  EXPECT_EQ(Rename("a/sub/deep", "a", RENAME_EXCHANGE), EINVAL);
  EXPECT_EQ(Rename("a/sub/deep", "a"), ENOTEMPTY);
  EXPECT_EQ(Rename("a/sub/deep", "a", RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(Rename("a/sub/none", "a"), ENOENT);
}

TEST_F(NamespaceRenameTest, NoReplace) {
  EXPECT_EQ(Rename("a/f", "b/f", RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(Rename("a/f", "a/f", RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(Rename("a/f", "b/new", RENAME_NOREPLACE), 0);
}

TEST_F(NamespaceRenameTest, ExchangeAcrossDirectoriesAndTypes) {
  const Ino f = Find("a/f");
  const Ino empty = Find("empty");
  EXPECT_EQ(Rename("a/f", "none", RENAME_EXCHANGE), ENOENT);
  EXPECT_EQ(Rename("a/f", "empty", RENAME_EXCHANGE), 0);
  EXPECT_EQ(Find("a/f"), empty);
  EXPECT_EQ(Find("empty"), f);
  EXPECT_EQ(Find("a/f/.."), Find("a"));
  EXPECT_EQ(Links(""), 4U);
  EXPECT_EQ(Links("a"), 4U);
  const Ino a = Find("a");
  EXPECT_EQ(Rename("a", "b", RENAME_EXCHANGE), 0);
  EXPECT_EQ(Find("b"), a);
  EXPECT_EQ(Rename("b/sub/deep", "a", RENAME_EXCHANGE), 0);
  EXPECT_EQ(Find("b/sub/deep/.."), Find("b/sub"));
  EXPECT_EQ(mounted_.List("b/sub/deep").size(), 2U);
}

TEST_F(NamespaceRenameTest, OntoItsOwnLinkDoesNothing) {
  ASSERT_TRUE(mounted_.Link("a/f", "b/link"));
  EXPECT_EQ(Rename("a/f", "b/link"), 0);
  EXPECT_EQ(Rename("a/f", "a/f"), 0);
  EXPECT_EQ(Rename("a/f", "b/link", RENAME_EXCHANGE), 0);
  EXPECT_EQ(Find("a/f"), Find("b/link"));
  EXPECT_EQ(Links("a/f"), 2U);
}

TEST_F(NamespaceRenameTest, StampsBothDirectoriesAndTheMoved) {
  for (const char* path : {"a", "b", "a/f"}) {
    ASSERT_TRUE(mounted_.fs().SetAttributes(mounted_.op(), Find(path),
                                            {.mtime = timespec{9, 0}, .ctime = timespec{9, 0}}));
  }
  EXPECT_EQ(Rename("a/f", "b/h"), 0);
  EXPECT_GT(mounted_.Stat("a")->mtime.tv_sec, 9);
  EXPECT_GT(mounted_.Stat("b")->mtime.tv_sec, 9);
  EXPECT_GT(mounted_.Stat("b/h")->ctime.tv_sec, 9);
  EXPECT_EQ(mounted_.Stat("b/h")->mtime.tv_sec, 9);
}

TEST_F(NamespaceRenameTest, WithinAFullRegionWhereTheNameFits) {
  mounted_.FillUp();
  while (mounted_.Create("fill" + std::to_string(mounted_.List("").size()))) {
  }
  EXPECT_EQ(Rename("b/f", "b/h"), 0);
  EXPECT_EQ(Rename("a/f", "b/g"), 0);  // over another: no new entry
}

TEST_F(NamespaceRenameTest, InLargeDirectories) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(mounted_.Create("a/n" + std::to_string(i)));
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(Rename("a/n" + n, (i % 2 == 0 ? "a/m" : "b/m") + n), 0);
  }
  EXPECT_EQ(mounted_.List("a").size(), 502U);
  EXPECT_EQ(mounted_.List("b").size(), 502U);
}

// Directories move up and down in all directions at once: no deadlock, no loop, nothing lost.
TEST_F(NamespaceRenameTest, CrossingThreads) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(mounted_.MakeDirectory("d" + std::to_string(i)));
  std::vector<Ino> directories{Ino(kInoRoot)};
  for (int i = 0; i < 6; ++i) directories.push_back(Find("d" + std::to_string(i)));
  for (const Ino ino : directories) ASSERT_TRUE(mounted_.fs().AddLookup(ino));
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      OpContext op;
      for (int i = 0; i < 2000; ++i) {
        const Ino from = directories[random() % directories.size()];
        const Ino to = directories[random() % directories.size()];
        const std::string name = "d" + std::to_string(random() % 6);
        const std::string new_name = random() % 4 == 0 ? "d" + std::to_string(random() % 6) : name;
        const auto moved = mounted_.fs().Rename(
            op, from, name, to, new_name, random() % 3 == 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE);
        const int error = ErrorOf(moved);
        EXPECT_TRUE(error == 0 || error == ENOENT || error == EEXIST || error == EINVAL) << error;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ino ino : directories) {
    EXPECT_NE(mounted_.fs().GetAttributes(ino)->nlink, 0U);
    mounted_.fs().Forget(ino, 1);
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
