// SPDX-License-Identifier: Apache-2.0
// Lazy times: seen at once, written later, lost by nobody but a crash.
#include "fsmeta/lazy_times.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::MountedFilesystem;

constexpr timespec kLongAgo{1000, 1};

class LazyTimesTest : public testing::Test {
 protected:
  LazyTimesTest() {
    EXPECT_TRUE(mounted_.Create("f"));
    f_ = *mounted_.Find("f");
    SetAll({.atime = kLongAgo, .mtime = kLongAgo, .ctime = kLongAgo});
    EXPECT_TRUE(mounted_.fs().AddLookup(f_));  // stays in core
  }
  void SetAll(const AttributeChange& change) {
    ASSERT_TRUE(mounted_.fs().SetAttributes(mounted_.op(), f_, change));
  }
  InodeSlot Slot() { return **mounted_.volume().inodes().Read(mounted_.volume().medium(), f_); }
  Attributes Seen() { return *mounted_.fs().GetAttributes(f_); }
  void Access(AtimeMode mode) {
    const InodeRef inode = mounted_.volume().live().Get(f_);
    absl::ReaderMutexLock lock(&inode->meta);
    TouchAccessed(*inode, Slot(), mode);
  }
  void Modify() { TouchModified(*mounted_.volume().live().Get(f_)); }

  MountedFilesystem mounted_;
  Ino f_{0};
};

TEST_F(LazyTimesTest, AreSeenBeforeTheyAreWritten) {
  Modify();
  EXPECT_GT(Seen().mtime.tv_sec, kLongAgo.tv_sec);
  EXPECT_GT(Seen().ctime.tv_sec, kLongAgo.tv_sec);
  EXPECT_EQ(Seen().atime.tv_sec, kLongAgo.tv_sec);
  EXPECT_EQ(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, FsyncWritesThemFdatasyncDoesNot) {
  Modify();
  ASSERT_TRUE(mounted_.fs().Fsync(f_, /*data_only=*/true));
  EXPECT_EQ(Slot().mtime_sec, kLongAgo.tv_sec);
  ASSERT_TRUE(mounted_.fs().Fsync(f_, /*data_only=*/false));
  EXPECT_EQ(Slot().mtime_sec, Seen().mtime.tv_sec);
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, SyncWritesThemEvictionToo) {
  Modify();
  ASSERT_TRUE(mounted_.fs().Sync());
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
  SetAll({.mtime = kLongAgo});
  Modify();
  EXPECT_EQ(Slot().mtime_sec, kLongAgo.tv_sec);
  mounted_.fs().Forget(f_, 1);
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, UnmountWritesThemACrashLosesThem) {
  Modify();
  mounted_.Remount();
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
  SetAll({.mtime = kLongAgo});
  ASSERT_TRUE(mounted_.fs().AddLookup(f_));
  Modify();
  mounted_.Crash();
  EXPECT_EQ(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, TheNextTransactionTakesThemAlong) {
  Modify();
  SetAll({.mode = 0600});
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, TimesThatAreSetWinOverLazyOnes) {
  Modify();
  Access(AtimeMode::kStrict);
  SetAll({.atime = timespec{50, 0}, .mtime = timespec{60, 0}});
  EXPECT_EQ(Seen().atime.tv_sec, 50);
  EXPECT_EQ(Seen().mtime.tv_sec, 60);
}

TEST_F(LazyTimesTest, AnAbortedTransactionKeepsThem) {
  Modify();
  Volume& volume = mounted_.volume();
  const InodeRef inode = volume.live().Get(f_);
  {
    absl::WriterMutexLock lock(&inode->meta);
    EXPECT_FALSE(volume.transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, f_));
      StampTimes(tx, *inode, slot, {});
      return Fail(EINTR);
    }));
  }
  EXPECT_GT(Seen().mtime.tv_sec, kLongAgo.tv_sec);
  ASSERT_TRUE(mounted_.fs().Sync());
  EXPECT_GT(Slot().mtime_sec, kLongAgo.tv_sec);
}

TEST_F(LazyTimesTest, RelatimeNotesOnlyWhatMatters) {
  Access(AtimeMode::kNever);
  EXPECT_EQ(Seen().atime.tv_sec, kLongAgo.tv_sec);
  Access(AtimeMode::kRelative);  // atime is not later than mtime
  const timespec noted = Seen().atime;
  EXPECT_GT(noted.tv_sec, kLongAgo.tv_sec);
  const timespec recent{Now().tv_sec - 3600, 0};
  SetAll({.atime = recent, .mtime = kLongAgo, .ctime = kLongAgo});
  Access(AtimeMode::kRelative);  // later than both, an hour old
  EXPECT_EQ(Seen().atime.tv_sec, recent.tv_sec);
  const timespec old{Now().tv_sec - 25 * 3600, 0};
  SetAll({.atime = old, .mtime = kLongAgo, .ctime = kLongAgo});
  Access(AtimeMode::kRelative);  // a day old
  EXPECT_GT(Seen().atime.tv_sec, old.tv_sec);
  SetAll({.atime = recent, .mtime = kLongAgo, .ctime = kLongAgo});
  Access(AtimeMode::kStrict);
  EXPECT_GT(Seen().atime.tv_sec, recent.tv_sec);
}

TEST_F(LazyTimesTest, ListingAndReadlinkAreAccesses) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.Symlink("t", "l"));
  for (const char* path : {"d", "l"}) {
    ASSERT_TRUE(mounted_.fs().SetAttributes(mounted_.op(), *mounted_.Find(path),
                                            {.atime = kLongAgo, .mtime = kLongAgo}));
  }
  mounted_.List("d");
  ASSERT_TRUE(mounted_.ReadSymlink("l"));
  EXPECT_GT(mounted_.Stat("d")->atime.tv_sec, kLongAgo.tv_sec);
  EXPECT_GT(mounted_.Stat("l")->atime.tv_sec, kLongAgo.tv_sec);
}

}  // namespace
}  // namespace holdfast::fsmeta
