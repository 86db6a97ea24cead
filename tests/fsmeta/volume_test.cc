// SPDX-License-Identifier: Apache-2.0
// Opening a volume: what is refused and how it is said, what a mount changes on the medium.
#include "fsmeta/volume.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "fsmeta/format_region.h"
#include "fsmeta/superblock.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"
#include "tests/support/recorder.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::fsmeta {
namespace {

using testing::HasSubstr;
using tests::ErrorOf;

constexpr uint64_t kBytes = uint64_t{4} << 20;

std::unique_ptr<Region> Formatted() {
  auto region = Region::InMemory(kBytes);
  EXPECT_TRUE(FormatRegion(*region, {}));
  return region;
}

std::unique_ptr<Region> CopyOf(const Region& region) {
  auto copy = Region::InMemory(region.size());
  copy->persist().CopyNt(copy->Target(0), region.base(), region.size());
  return copy;
}

// A region whose last transaction was recorded but not applied.
std::unique_ptr<Region> WithLiveRecord() {
  tests::Recorder recorder;
  auto region = recorder.MakeRegion(kBytes);
  EXPECT_TRUE(FormatRegion(*region, {}));
  std::vector<std::byte> image(region->base(), region->base() + region->size());
  auto volume = Volume::Open(std::move(region), {});
  EXPECT_TRUE(volume);
  std::memcpy(image.data(), (*volume)->region().base(), image.size());
  recorder.Clear();
  EXPECT_TRUE((*volume)->transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, (*volume)->inodes().Edit(tx, Ino(kInoRoot)));
    slot->mode = S_IFDIR | 0123;
    return {};
  }));
  // Everything up to the second drain: the first makes what the record refers to durable, the
  // second the record.
  int drains = 0;
  for (const tests::RecordedEvent& event : recorder.Events()) {
    if (event.kind == tests::PersistEvent::kDrain && ++drains == 2) break;
    recorder.Apply(event, image);
  }
  auto crashed = Region::InMemory(kBytes);
  crashed->persist().CopyNt(crashed->Target(0), image.data(), image.size());
  return crashed;
}

TEST(VolumeTest, AWritableMountLeavesItsMark) {
  auto volume = Volume::Open(Formatted(), {});
  ASSERT_TRUE(volume);
  const Superblock& superblock = (*volume)->medium().superblock();
  EXPECT_EQ(superblock.mount_count, 1U);
  EXPECT_GT(superblock.mounted_at, 0U);
  const auto boot_id = daxcore::CurrentBootId();
  EXPECT_EQ(std::memcmp(superblock.boot_id, boot_id.data(), boot_id.size()), 0);
  EXPECT_EQ(ReadSuperblock((*volume)->region())->mount_count, 1U);
}

TEST(VolumeTest, AReadOnlyMountLeavesNone) {
  auto region = Formatted();
  const std::vector<std::byte> before(region->base(), region->base() + region->size());
  auto volume = Volume::Open(std::move(region), {.read_only = true});
  ASSERT_TRUE(volume);
  EXPECT_EQ(ErrorOf((*volume)->CheckWritable()), EROFS);
  EXPECT_EQ(std::memcmp((*volume)->region().base(), before.data(), before.size()), 0);
}

TEST(VolumeTest, ReplaysTheJournalEvenForAReadOnlyMount) {
  for (const bool read_only : {false, true}) {
    auto volume = Volume::Open(WithLiveRecord(), {.read_only = read_only});
    ASSERT_TRUE(volume) << volume.error().Text();
    const auto root = (*volume)->inodes().Read((*volume)->medium(), Ino(kInoRoot));
    ASSERT_TRUE(root);
    EXPECT_EQ((*root)->mode, uint32_t{S_IFDIR | 0123});
  }
}

// A plain file with what the region holds.
void WriteOut(const std::string& path, const Region& region) {
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0400);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, region.base(), region.size()), static_cast<ssize_t>(region.size()));
  close(fd);
}

TEST(VolumeTest, ARegionThatCannotBeWrittenCannotBeReplayed) {
  tests::ScratchDir dir;
  const std::string path = dir / "region";
  for (const bool dirty : {false, true}) {
    WriteOut(path, dirty ? *WithLiveRecord() : *Formatted());
    auto region = Region::Open(path, {.read_only = true});
    ASSERT_TRUE(region) << region.error().Text();
    const auto volume = Volume::Open(std::move(*region), {.read_only = true});
    if (!dirty) {
      EXPECT_TRUE(volume) << volume.error().Text();
      continue;
    }
    EXPECT_EQ(ErrorOf(volume), EROFS);
    EXPECT_THAT(volume.error().message, HasSubstr(path));
    EXPECT_THAT(volume.error().message, HasSubstr("journal"));
  }
}

// As if the file system below was mounted with -o dax when it was made, and now is not.
TEST(VolumeTest, AFilesystemOfPersistentMemoryIsNotWrittenToAPlainFile) {
  tests::ScratchDir dir;
  const std::string path = dir / "region";
  WriteOut(path, *Formatted());
  const auto before = ReadSuperblock(**Region::Open(path, {.read_only = true}));
  ASSERT_TRUE(before);
  const auto volume = Volume::Open(*Region::Open(path, {}), {});
  EXPECT_EQ(ErrorOf(volume), EOPNOTSUPP);
  EXPECT_THAT(volume.error().message, HasSubstr(path + " is not persistent memory"));
  const auto region = Region::Open(path, {.read_only = true});
  ASSERT_TRUE(region) << "the refusal must leave no lock";
  EXPECT_EQ(ReadSuperblock(**region)->mount_count, before->mount_count);
  EXPECT_TRUE(Volume::Open(*Region::Open(path, {.read_only = true}), {.read_only = true}));
}

TEST(VolumeTest, AnEmulatedFilesystemIsWrittenToAPlainFile) {
  tests::ScratchDir dir;
  const std::string path = dir / "region";
  auto region = Region::InMemory(kBytes);
  ASSERT_TRUE(FormatRegion(*region, {.emulated = true}));
  WriteOut(path, *region);
  EXPECT_TRUE(Volume::Open(*Region::Open(path, {}), {}));
}

TEST(VolumeTest, WhatIsNoFilesystemIsNamed) {
  const auto nothing = Volume::Open(Region::InMemory(kBytes), {});
  EXPECT_EQ(ErrorOf(nothing), EINVAL);
  EXPECT_THAT(nothing.error().message, HasSubstr("mkfs.holdfast"));
}

TEST(VolumeTest, OneSoundSuperblockIsEnough) {
  for (const bool first : {true, false}) {
    auto region = Formatted();
    const uint64_t at = first ? 0 : (ReadSuperblock(*region)->block_count - 1) * kBlockSize;
    region->persist().ZeroNt(region->Target(at), kBlockSize);
    EXPECT_TRUE(Volume::Open(std::move(region), {})) << first;
  }
}

TEST(VolumeTest, UnknownFeaturesRefuseWritingOrEverything) {
  auto region = Formatted();
  Superblock superblock = *ReadSuperblock(*region);
  superblock.ro_compat = 8;
  WriteSuperblock(*region, superblock);
  EXPECT_EQ(ErrorOf(Volume::Open(CopyOf(*region), {})), EROFS);
  EXPECT_TRUE(Volume::Open(CopyOf(*region), {.read_only = true}));
  superblock.incompat = 8;
  WriteSuperblock(*region, superblock);
  EXPECT_EQ(ErrorOf(Volume::Open(CopyOf(*region), {.read_only = true})), EOPNOTSUPP);
}

TEST(VolumeTest, AShutDownVolumeSaysWhy) {
  auto volume = Volume::Open(Formatted(), {});
  ASSERT_TRUE(volume);
  (*volume)->medium().Shutdown("test pulled the plug");
  const auto writable = (*volume)->CheckWritable();
  EXPECT_EQ(ErrorOf(writable), EIO);
  EXPECT_THAT(writable.error().message, HasSubstr("pulled the plug"));
}

}  // namespace
}  // namespace holdfast::fsmeta
