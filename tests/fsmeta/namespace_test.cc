// SPDX-License-Identifier: Apache-2.0
// Looking up and listing.
#include "fsmeta/namespace.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

class NamespaceTest : public testing::Test {
 protected:
  Filesystem& fs() { return mounted_.fs(); }
  static constexpr Ino kRoot{kInoRoot};

  MountedFilesystem mounted_;
};

TEST_F(NamespaceTest, RootIsADirectoryAndItsOwnParent) {
  const auto root = fs().GetAttributes(kRoot);
  ASSERT_TRUE(root);
  EXPECT_TRUE(S_ISDIR(root->mode));
  EXPECT_EQ(root->nlink, 2U);
  EXPECT_EQ(*fs().ParentOf(kRoot), kRoot);
}

TEST_F(NamespaceTest, LookupCountsAndForgets) {
  ASSERT_TRUE(mounted_.Create("a"));
  const auto a = fs().Lookup(kRoot, "a");
  ASSERT_TRUE(a);
  EXPECT_TRUE(mounted_.volume().live().Find(a->ino));
  fs().Forget(a->ino, 1);
  EXPECT_FALSE(mounted_.volume().live().Find(a->ino));
}

TEST_F(NamespaceTest, FailedLookupsCountNothing) {
  ASSERT_TRUE(mounted_.Create("file"));
  const Ino file = *mounted_.Find("file");
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, "none")), ENOENT);
  EXPECT_EQ(ErrorOf(fs().Lookup(file, "x")), ENOTDIR);
  EXPECT_EQ(ErrorOf(fs().Lookup(Ino(7777), "x")), ESTALE);
  EXPECT_EQ(ErrorOf(fs().Lookup(Ino(1'000'000), "x")), ESTALE);
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, std::string(256, 'x'))), ENAMETOOLONG);
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, "a/b")), EINVAL);
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, "")), EINVAL);
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, std::string_view("a\0b", 3))), EINVAL);
  EXPECT_EQ(mounted_.volume().live().size(), 0U);
}

TEST_F(NamespaceTest, DotAndDotDotAreFoundButNotStored) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.MakeDirectory("d/e"));
  const Ino d = *mounted_.Find("d");
  const Ino e = *mounted_.Find("d/e");
  EXPECT_EQ(*mounted_.Find("d/e/."), e);
  EXPECT_EQ(*mounted_.Find("d/e/.."), d);
  EXPECT_EQ(*mounted_.Find(".."), kRoot);
  EXPECT_EQ(*fs().ParentOf(e), d);
}

TEST_F(NamespaceTest, ListingStartsWithDotsAndGoesOnFromAnyCookie) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(mounted_.Create("f" + std::to_string(i)));
  std::vector<std::string> whole;
  ASSERT_TRUE(fs().ReadDirectory(kRoot, 0, [&](const DirectoryItem& item) {
    whole.emplace_back(item.name);
    return true;
  }));
  ASSERT_EQ(whole.size(), 502U);
  EXPECT_EQ(whole[0], ".");
  EXPECT_EQ(whole[1], "..");
  // One at a time, from the cookie of the one before.
  std::vector<std::string> pieces;
  uint64_t cookie = 0;
  for (bool more = true; more;) {
    more = false;
    int emitted = 0;
    ASSERT_TRUE(fs().ReadDirectory(kRoot, cookie, [&](const DirectoryItem& item) {
      if (++emitted > 1) return false;  // does not fit: comes again
      pieces.emplace_back(item.name);
      EXPECT_GT(item.cookie, cookie);
      cookie = item.cookie;
      more = true;
      return true;
    }));
  }
  EXPECT_EQ(pieces, whole);
}

TEST_F(NamespaceTest, WhoeverReceivesAListingMayLookAtTheInodes) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(mounted_.MakeDirectory("d" + std::to_string(i)));
  int seen = 0;
  ASSERT_TRUE(fs().ReadDirectory(kRoot, 0, [&](const DirectoryItem& item) {
    if (item.name == "." || item.name == "..") return true;
    const auto attributes = fs().AddLookup(item.ino);
    EXPECT_TRUE(attributes);
    EXPECT_EQ(item.type, DT_DIR);
    fs().Forget(item.ino, 1);
    EXPECT_TRUE(mounted_.RemoveDirectory(item.name));  // even that
    ++seen;
    return true;
  }));
  EXPECT_EQ(seen, 200);
  EXPECT_TRUE(mounted_.List("").empty());
}

TEST_F(NamespaceTest, WhatIsThereAllTheTimeIsListedWhileOthersComeAndGo) {
  std::set<std::string> steady;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(mounted_.Create("steady" + std::to_string(i)));
    steady.insert("steady" + std::to_string(i));
  }
  std::atomic<bool> stop = false;
  std::thread churn([&] {
    OpContext op;
    for (int i = 0; !stop; i = (i + 1) % 400) {
      const std::string name = "come" + std::to_string(i);
      if (const auto made = fs().MakeNode(op, kRoot, name, S_IFREG | 0600, 0)) {
        fs().Forget(made->ino, 1);
      } else {
        EXPECT_TRUE(fs().Unlink(op, kRoot, name));
      }
    }
  });
  for (int round = 0; round < 50; ++round) {
    std::set<std::string> missing = steady;
    std::set<std::string> twice;
    ASSERT_TRUE(fs().ReadDirectory(kRoot, 0, [&](const DirectoryItem& item) {
      if (!item.name.starts_with("steady")) return true;
      if (missing.erase(std::string(item.name)) == 0) twice.emplace(item.name);
      return true;
    }));
    EXPECT_TRUE(missing.empty());
    EXPECT_TRUE(twice.empty());
  }
  stop = true;
  churn.join();
}

TEST_F(NamespaceTest, RemovedDirectoryIsEmptyOfEverything) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  const Ino d = fs().Lookup(kRoot, "d")->ino;  // somebody's working directory
  ASSERT_TRUE(mounted_.RemoveDirectory("d"));
  OpContext op;
  EXPECT_EQ(ErrorOf(fs().Lookup(d, "x")), ENOENT);
  EXPECT_EQ(ErrorOf(fs().Lookup(d, "..")), ENOENT);
  EXPECT_EQ(ErrorOf(fs().MakeNode(op, d, "x", S_IFREG | 0600, 0)), ENOENT);
  EXPECT_EQ(ErrorOf(fs().MakeDirectory(op, d, "x", 0700)), ENOENT);
  EXPECT_EQ(ErrorOf(fs().MakeTemporary(op, d, 0700)), ENOENT);
  EXPECT_EQ(ErrorOf(fs().Rename(op, kRoot, "x", d, "x", 0)), ENOENT);
  EXPECT_EQ(ErrorOf(fs().ReadDirectory(d, 0, [](const DirectoryItem&) { return true; })), ENOENT);
  const auto attributes = fs().GetAttributes(d);
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->nlink, 0U);
  fs().Forget(d, 1);
  EXPECT_EQ(ErrorOf(fs().GetAttributes(d)), ESTALE);
}

// Somebody made the entry name a slot that is free: the medium is damaged, not the caller wrong.
TEST_F(NamespaceTest, EntryOfAnInodeThatDoesNotExistIsEuclean) {
  ASSERT_TRUE(mounted_.Create("a"));
  const Ino a = *mounted_.Find("a");
  Volume& volume = mounted_.volume();
  ASSERT_TRUE(
      volume.transactions().Run([&](Transaction& tx) { return volume.inodes().Free(tx, a); }));
  EXPECT_EQ(ErrorOf(fs().Lookup(kRoot, "a")), EUCLEAN);
  EXPECT_EQ(ErrorOf(mounted_.Unlink("a")), EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
