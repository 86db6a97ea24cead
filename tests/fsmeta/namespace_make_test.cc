// SPDX-License-Identifier: Apache-2.0
// New names: what they refuse, what they leave behind, links to what is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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

class NamespaceMakeTest : public testing::Test {
 protected:
  Filesystem& fs() { return mounted_.fs(); }
  OpContext& op() { return mounted_.op(); }
  static constexpr Ino kRoot{kInoRoot};
  void SetLinks(Ino ino, uint32_t nlink) {
    Volume& volume = mounted_.volume();
    ASSERT_TRUE(volume.transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, ino));
      slot->nlink = nlink;
      if (S_ISDIR(slot->mode)) slot->dir_subdirs = nlink - 2;
      return {};
    }));
  }

  MountedFilesystem mounted_;
};

TEST_F(NamespaceMakeTest, EveryKindOfNode) {
  const auto fifo = fs().MakeNode(op(), kRoot, "fifo", S_IFIFO | 0640, 99);
  ASSERT_TRUE(fifo);
  EXPECT_EQ(fifo->mode, uint32_t{S_IFIFO | 0640});
  EXPECT_EQ(fifo->rdev, 0U);
  const auto device = fs().MakeNode(op(), kRoot, "null", S_IFCHR | 0666, makedev(1, 3));
  ASSERT_TRUE(device);
  EXPECT_EQ(device->rdev, makedev(1, 3));
  ASSERT_TRUE(fs().MakeNode(op(), kRoot, "sock", S_IFSOCK | 0600, 0));
  ASSERT_TRUE(fs().MakeNode(op(), kRoot, "disk", S_IFBLK | 0600, makedev(8, 0)));
  EXPECT_EQ(ErrorOf(fs().MakeNode(op(), kRoot, "dir", S_IFDIR | 0600, 0)), EINVAL);
  EXPECT_EQ(ErrorOf(fs().MakeNode(op(), kRoot, "what", 0600, 0)), EINVAL);
  mounted_.Remount();
  EXPECT_EQ(mounted_.Stat("null")->rdev, makedev(1, 3));
  EXPECT_EQ(mounted_.List("").size(), 4U);
  mounted_.ExpectSound();
}

TEST_F(NamespaceMakeTest, NamesThatCannotBe) {
  EXPECT_EQ(ErrorOf(mounted_.Create(std::string(256, 'n'))), ENAMETOOLONG);
  EXPECT_TRUE(mounted_.Create(std::string(255, 'n')));
  EXPECT_EQ(ErrorOf(mounted_.Create(".")), EEXIST);
  EXPECT_EQ(ErrorOf(mounted_.MakeDirectory("..")), EEXIST);
  EXPECT_EQ(ErrorOf(fs().MakeNode(op(), kRoot, "", S_IFREG, 0)), EINVAL);
  EXPECT_EQ(ErrorOf(fs().MakeNode(op(), kRoot, "a/b", S_IFREG, 0)), EINVAL);
  EXPECT_TRUE(mounted_.Create("caf\xc3\xa9 \x01\xff"));  // any other bytes are fine
}

TEST_F(NamespaceMakeTest, ATakenNameIsEexistWhateverIsThere) {
  ASSERT_TRUE(mounted_.Create("a"));
  EXPECT_EQ(ErrorOf(mounted_.Create("a")), EEXIST);
  EXPECT_EQ(ErrorOf(mounted_.MakeDirectory("a")), EEXIST);
  EXPECT_EQ(ErrorOf(mounted_.Symlink("t", "a")), EEXIST);
  EXPECT_EQ(ErrorOf(mounted_.Link("a", "a")), EEXIST);
  EXPECT_EQ(ErrorOf(mounted_.Create("a/b")), ENOTDIR);
}

TEST_F(NamespaceMakeTest, DirectoriesCountTheirSubdirectories) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.MakeDirectory("d/e"));
  ASSERT_TRUE(mounted_.Create("d/f"));
  EXPECT_EQ(mounted_.Stat("")->nlink, 3U);
  EXPECT_EQ(mounted_.Stat("d")->nlink, 3U);
  EXPECT_EQ(mounted_.Stat("d/e")->nlink, 2U);
}

TEST_F(NamespaceMakeTest, MakingStampsTheDirectory) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(fs().SetAttributes(op(), *mounted_.Find("d"),
                                 {.mtime = timespec{100, 5}, .ctime = timespec{100, 5}}));
  ASSERT_TRUE(mounted_.Create("d/f"));
  EXPECT_GT(mounted_.Stat("d")->mtime.tv_sec, 100);
  EXPECT_GT(mounted_.Stat("d")->ctime.tv_sec, 100);
  EXPECT_GT(mounted_.Stat("d/f")->btime.tv_sec, 100);
}

TEST_F(NamespaceMakeTest, LinksShareOneInode) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.Create("a"));
  ASSERT_TRUE(mounted_.Link("a", "d/b"));
  EXPECT_EQ(*mounted_.Find("a"), *mounted_.Find("d/b"));
  EXPECT_EQ(mounted_.Stat("a")->nlink, 2U);
  ASSERT_TRUE(mounted_.Unlink("a"));
  EXPECT_EQ(mounted_.Stat("d/b")->nlink, 1U);
  EXPECT_EQ(ErrorOf(mounted_.Link("d", "d/self")), EPERM);
  EXPECT_EQ(ErrorOf(mounted_.Link("d", "d2")), EPERM);
  EXPECT_EQ(ErrorOf(fs().Link(op(), Ino(7777), kRoot, "x")), ESTALE);
}

TEST_F(NamespaceMakeTest, TooManyLinksAreEmlink) {
  ASSERT_TRUE(mounted_.Create("a"));
  SetLinks(*mounted_.Find("a"), kMaxLinks);
  EXPECT_EQ(ErrorOf(mounted_.Link("a", "b")), EMLINK);
  SetLinks(*mounted_.Find("a"), kMaxLinks - 1);
  EXPECT_TRUE(mounted_.Link("a", "b"));
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.MakeDirectory("move"));
  SetLinks(*mounted_.Find("d"), kMaxLinks);
  EXPECT_EQ(ErrorOf(mounted_.MakeDirectory("d/e")), EMLINK);
  EXPECT_EQ(ErrorOf(mounted_.Rename("move", "d/move")), EMLINK);
  EXPECT_TRUE(mounted_.Create("d/f"));
  EXPECT_EQ(mounted_.List("d").size(), 1U);
}

TEST_F(NamespaceMakeTest, TemporaryFileGetsANameOrGoes) {
  const uint64_t inodes = mounted_.FreeInodes();
  const auto kept = fs().MakeTemporary(op(), kRoot, 0640);
  const auto dropped = fs().MakeTemporary(op(), kRoot, 0640);
  ASSERT_TRUE(kept);
  ASSERT_TRUE(dropped);
  EXPECT_EQ(kept->nlink, 0U);
  EXPECT_EQ(kept->mode, uint32_t{S_IFREG | 0640});
  mounted_.ExpectSound();
  const auto linked = fs().Link(op(), kept->ino, kRoot, "kept");
  ASSERT_TRUE(linked);
  EXPECT_EQ(linked->nlink, 1U);
  fs().Forget(kept->ino, 2);
  fs().Forget(dropped->ino, 1);
  EXPECT_EQ(mounted_.FreeInodes(), inodes - 1);
  mounted_.ExpectSound();
  mounted_.Crash();
  EXPECT_TRUE(mounted_.volume().TakePendingOrphans().empty());
  EXPECT_EQ(mounted_.Stat("kept")->nlink, 1U);
}

TEST_F(NamespaceMakeTest, TemporaryFileOfACrashIsDeletedAtTheNextMount) {
  const uint64_t inodes = mounted_.FreeInodes();
  ASSERT_TRUE(fs().MakeTemporary(op(), kRoot, 0640));
  mounted_.Crash();
  ASSERT_TRUE(fs().FinishOrphans());
  EXPECT_EQ(mounted_.FreeInodes(), inodes);
  mounted_.ExpectSound();
}

TEST_F(NamespaceMakeTest, FullRegionLeavesNothingHalfDone) {
  mounted_.FillUp();
  const uint64_t inodes = mounted_.FreeInodes();
  int error = 0;
  int made = 0;
  for (; error == 0; ++made) {
    error = ErrorOf(mounted_.Create(std::string(200, 'x') + std::to_string(made)));
  }
  EXPECT_EQ(error, ENOSPC);
  EXPECT_EQ(mounted_.List("").size(), static_cast<size_t>(made));  // and the hog
  EXPECT_EQ(mounted_.FreeInodes(), inodes - static_cast<uint64_t>(made) + 1);
  mounted_.ExpectSound();
}

TEST_F(NamespaceMakeTest, ThreadsInOneDirectory) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      OpContext mine;
      for (int i = 0; i < 300; ++i) {
        const std::string own = "t" + std::to_string(t) + "-" + std::to_string(i);
        const std::string contested = "all-" + std::to_string(i);
        const auto made = fs().MakeNode(mine, kRoot, own, S_IFREG | 0600, 0);
        ASSERT_TRUE(made);
        fs().Forget(made->ino, 1);
        if (const auto won = fs().MakeDirectory(mine, kRoot, contested, 0700)) {
          fs().Forget(won->ino, 1);
        }
        if (i % 3 == 0) {
          ASSERT_TRUE(fs().Unlink(mine, kRoot, own));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mounted_.List("").size(), 4U * 200U + 300U);
  EXPECT_EQ(mounted_.Stat("")->nlink, 302U);
  mounted_.ExpectSound();
}

}  // namespace
}  // namespace holdfast::fsmeta
