// SPDX-License-Identifier: Apache-2.0
// The whole: mounting, unmounting, statfs, read-only mounts, shutdown.
#include "fsmeta/filesystem.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

constexpr Ino kRoot{kInoRoot};

TEST(FilesystemTest, UnmountDeletesWhatOnlyTheKernelHeldAndWritesTimes) {
  tests::Recorder recorder;
  recorder.Pause();
  auto region = recorder.MakeRegion(MountedFilesystem::kDefaultBytes);
  ASSERT_TRUE(FormatRegion(*region, {}));
  std::vector<std::byte> image(region->base(), region->base() + region->size());
  recorder.Resume();
  auto fs = *Filesystem::Mount(std::move(region), {});
  OpContext op;
  const auto f = fs->MakeNode(op, kRoot, "f", S_IFREG | 0600, 0);
  ASSERT_TRUE(f);
  ASSERT_TRUE(fs->Open(f->ino));
  ASSERT_TRUE(fs->Unlink(op, kRoot, "f"));
  fs.reset();
  for (const tests::RecordedEvent& event : recorder.Events()) recorder.Apply(event, image);
  auto again = Region::InMemory(image.size());
  again->persist().CopyNt(again->Target(0), image.data(), image.size());
  auto mounted = Filesystem::Mount(std::move(again), {});
  ASSERT_TRUE(mounted);
  EXPECT_TRUE((*mounted)->volume().TakePendingOrphans().empty());
  EXPECT_EQ(ErrorOf((*mounted)->GetAttributes(f->ino)), ESTALE);
}

TEST(FilesystemTest, StatFsFollowsWhatIsMade) {
  MountedFilesystem mounted;
  const StatFs before = *mounted.fs().GetStatFs();
  EXPECT_EQ(before.blocks, MountedFilesystem::kDefaultBytes / kBlockSize);
  EXPECT_GT(before.free, 0U);
  EXPECT_LT(before.available, before.free);
  EXPECT_GT(before.free_inodes, 0U);
  ASSERT_TRUE(mounted.Create("f"));
  const StatFs made = *mounted.fs().GetStatFs();
  ASSERT_TRUE(mounted.Create("g"));
  EXPECT_EQ(mounted.fs().GetStatFs()->free_inodes, made.free_inodes - 1);
  const std::vector<std::byte> data(10 * kBlockSize, std::byte{1});
  ASSERT_TRUE(mounted.fs().Write(mounted.op(), *mounted.Find("f"), 0, data, false));
  const StatFs after = *mounted.fs().GetStatFs();
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_LE(after.free, before.free - 10);
  EXPECT_LT(after.free_inodes, made.free_inodes - 1) << "space for inodes is space for data";
}

TEST(FilesystemTest, AReadOnlyMountReadsAndRefusesChanges) {
  MountedFilesystem mounted;
  ASSERT_TRUE(mounted.Create("f"));
  ASSERT_TRUE(mounted.Symlink("t", "l"));
  mounted.options().read_only = true;
  mounted.Remount();
  const auto image = mounted.Image();
  const Ino f = *mounted.Find("f");
  Filesystem& fs = mounted.fs();
  OpContext& op = mounted.op();
  EXPECT_EQ(mounted.List("").size(), 2U);
  EXPECT_EQ(mounted.ReadSymlink("l").value_or(""), "t");
  EXPECT_EQ(ErrorOf(mounted.Create("g")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.MakeDirectory("g")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.Symlink("t", "g")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.Link("f", "g")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.Unlink("f")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.RemoveDirectory("f")), EROFS);
  EXPECT_EQ(ErrorOf(mounted.Rename("f", "g")), EROFS);
  EXPECT_EQ(ErrorOf(fs.MakeTemporary(op, kRoot, 0600)), EROFS);
  EXPECT_EQ(ErrorOf(fs.SetAttributes(op, f, {.mode = 0600})), EROFS);
  EXPECT_EQ(ErrorOf(fs.SetXattr(op, f, "user.a", "x", 0)), EROFS);
  EXPECT_EQ(ErrorOf(fs.RemoveXattr(op, f, "user.a")), EROFS);
  EXPECT_EQ(ErrorOf(fs.Write(op, f, 0, std::vector<std::byte>(1), false)), EROFS);
  EXPECT_TRUE(fs.Fsync(f, false));
  EXPECT_TRUE(fs.Sync());
  EXPECT_EQ(mounted.Image(), image);
}

TEST(FilesystemTest, AfterAShutdownEverythingIsEioAndNothingIsWritten) {
  MountedFilesystem mounted;
  ASSERT_TRUE(mounted.Create("f"));
  const Ino f = *mounted.Find("f");
  ASSERT_TRUE(mounted.fs().Open(f));
  mounted.volume().medium().Shutdown("test pulled the plug");
  const auto image = mounted.Image();
  EXPECT_EQ(ErrorOf(mounted.fs().GetAttributes(f)), EIO);
  EXPECT_EQ(ErrorOf(mounted.fs().Lookup(kRoot, "f")), EIO);
  EXPECT_EQ(ErrorOf(mounted.Create("g")), EIO);
  EXPECT_EQ(ErrorOf(mounted.fs().Sync()), EIO);
  mounted.fs().Release(f);
  EXPECT_EQ(mounted.Image(), image);
}

TEST(FilesystemTest, OpenNeedsAnInode) {
  MountedFilesystem mounted;
  EXPECT_EQ(ErrorOf(mounted.fs().Open(Ino(7777))), ESTALE);
  EXPECT_TRUE(mounted.fs().Open(kRoot));
  EXPECT_EQ(mounted.volume().live().size(), 1U);
  mounted.fs().Release(kRoot);
  EXPECT_EQ(mounted.volume().live().size(), 0U);
}

}  // namespace
}  // namespace holdfast::fsmeta
