// SPDX-License-Identifier: Apache-2.0
// Each kind of bad region gets its own clear line; a damaged copy is survived.
#include "fsmeta/superblock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "fsmeta/format_region.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

using testing::HasSubstr;
using Image = std::vector<std::byte>;

constexpr uint64_t kBytes = uint64_t{4} << 20;

class SuperblockTest : public testing::Test {
 protected:
  SuperblockTest() : region_(Region::InMemory(kBytes)) {
    EXPECT_TRUE(FormatRegion(*region_, {.label = "test"}));
    image_.assign(region_->base(), region_->base() + region_->size());
  }
  static constexpr uint64_t kCopy = kBytes - kBlockSize;

  // Changes a copy and gives it a right checksum again.
  void Alter(uint64_t offset, const std::function<void(Superblock*)>& change) {
    Superblock superblock;
    std::memcpy(&superblock, image_.data() + offset, sizeof(superblock));
    change(&superblock);
    SealObject(&superblock, {ObjectType::kSuperblock, offset, kMetadataBlock, 0},
               UuidOf(superblock), superblock.header.sequence);
    std::memcpy(image_.data() + offset, &superblock, sizeof(superblock));
  }
  void AlterBoth(const std::function<void(Superblock*)>& change) {
    Alter(0, change);
    Alter(kCopy, change);
  }
  void Break(uint64_t offset) { image_[offset + 300] ^= std::byte{1}; }
  Error ReadError() {
    const auto read = ReadSuperblock(image_, "/dev/x");
    EXPECT_FALSE(read);
    return read ? Error{0, "", nullptr} : read.error();
  }

  std::unique_ptr<Region> region_;
  Image image_;
};

TEST_F(SuperblockTest, ReadsWhatWasWritten) {
  const auto superblock = ReadSuperblock(*region_);
  ASSERT_TRUE(superblock);
  EXPECT_STREQ(superblock->label, "test");
  EXPECT_EQ(superblock->block_count, kBytes / kBlockSize);
}

TEST_F(SuperblockTest, EitherCopyIsEnough) {
  Break(0);
  EXPECT_TRUE(ReadSuperblock(image_, "x"));
  std::ranges::fill_n(image_.begin(), kBlockSize, std::byte{0});
  EXPECT_TRUE(ReadSuperblock(image_, "x"));
  image_.assign(region_->base(), region_->base() + region_->size());
  Break(kCopy);
  EXPECT_TRUE(ReadSuperblock(image_, "x"));
}

TEST_F(SuperblockTest, CopyIsFoundWhenTheFilesystemEndsBeforeTheRegion) {
  auto region = Region::InMemory(kBytes + 2 * kBlockSize);
  ASSERT_TRUE(FormatRegion(*region, {}));
  image_.assign(region->base(), region->base() + region->size());
  const auto primary = ReadSuperblock(image_, "x");
  ASSERT_TRUE(primary);
  EXPECT_EQ(primary->block_count, kBytes / kBlockSize);
  Break(0);
  EXPECT_TRUE(ReadSuperblock(image_, "x"));
}

TEST_F(SuperblockTest, HigherSequenceWins) {
  Alter(kCopy, [](Superblock* s) { s->header.sequence += 1, s->mount_count = 9; });
  EXPECT_EQ(ReadSuperblock(image_, "x")->mount_count, 9U);
}

TEST_F(SuperblockTest, BothCorrupt) {
  Break(0);
  Break(kCopy);
  const Error error = ReadError();
  EXPECT_EQ(error.code, EUCLEAN);
  EXPECT_THAT(error.message, HasSubstr("both superblocks of region /dev/x are corrupt"));
  EXPECT_THAT(error.message, HasSubstr("checksum"));
}

TEST_F(SuperblockTest, WrongMagic) {
  std::ranges::fill(image_, std::byte{0x5a});
  const Error error = ReadError();
  EXPECT_EQ(error.code, EINVAL);
  EXPECT_THAT(error.message, HasSubstr("/dev/x holds no Holdfast filesystem"));
  EXPECT_THAT(error.message, HasSubstr("mkfs.holdfast"));
  EXPECT_FALSE(LooksFormatted(image_));
}

TEST_F(SuperblockTest, TooSmall) {
  for (const size_t bytes : {size_t{4096}, size_t{8192}, size_t{100 * 4096}}) {
    image_.assign(bytes, std::byte{0});
    const Error error = ReadError();
    EXPECT_EQ(error.code, EINVAL);
    EXPECT_THAT(error.message, HasSubstr("is too small"));
  }
}

TEST_F(SuperblockTest, Truncated) {
  image_.resize(kBytes / 2);
  const Error error = ReadError();
  EXPECT_EQ(error.code, ENXIO);
  EXPECT_THAT(error.message, HasSubstr("truncated: its filesystem has 4194304 bytes, the region "
                                       "2097152"));
}

TEST_F(SuperblockTest, NewerFormat) {
  AlterBoth([](Superblock* s) { s->version = 7; });
  const Error error = ReadError();
  EXPECT_EQ(error.code, EOPNOTSUPP);
  EXPECT_THAT(error.message, HasSubstr("version 7"));
}

TEST_F(SuperblockTest, UnknownFeatures) {
  AlterBoth([](Superblock* s) { s->compat = ~uint64_t{0}; });
  EXPECT_TRUE(ReadSuperblock(image_, "x"));
  EXPECT_TRUE(CheckWritable(*ReadSuperblock(image_, "x"), "x"));
  AlterBoth([](Superblock* s) { s->ro_compat = 4; });
  const auto read = ReadSuperblock(image_, "x");
  ASSERT_TRUE(read);
  EXPECT_EQ(CheckWritable(*read, "x").error().code, EROFS);
  AlterBoth([](Superblock* s) { s->incompat = 0x20; });
  EXPECT_THAT(ReadError().message, HasSubstr("incompatible features 0x20"));
}

TEST_F(SuperblockTest, ImpossibleGeometryIsRefusedWhateverItsChecksum) {
  const std::function<void(Superblock*)> changes[] = {
      [](Superblock* s) { s->block_bytes = 512; },
      [](Superblock* s) { s->block_count = 0; },
      [](Superblock* s) { s->block_count = ~uint64_t{0}; },
      [](Superblock* s) { s->group_blocks = 0; },
      [](Superblock* s) { s->group_blocks = 1000; },
      [](Superblock* s) { s->group_blocks = uint64_t{1} << 40; },
      [](Superblock* s) { s->group_count = 0; },
      [](Superblock* s) { ++s->group_count; },
      [](Superblock* s) { s->geometry_shift = 63; },
      [](Superblock* s) { s->journal_start = 0; },
      [](Superblock* s) { s->journal_start = ~uint64_t{0}; },
      [](Superblock* s) { s->lane_count = 0; },
      [](Superblock* s) { s->lane_count = ~uint32_t{0}; },
      [](Superblock* s) { s->lane_blocks = 0; },
      [](Superblock* s) { s->lane_blocks = ~uint32_t{0}; },
      [](Superblock* s) { s->inode_cluster0 = 1; },
      [](Superblock* s) { s->inode_cluster0 = s->group_blocks - 1; },
      [](Superblock* s) { s->inode_cluster0 = ~uint64_t{0}; },
      [](Superblock* s) { s->reserve_blocks = ~uint64_t{0}; },
  };
  const Image good = image_;
  for (size_t i = 0; i < std::size(changes); ++i) {
    image_ = good;
    AlterBoth(changes[i]);
    EXPECT_EQ(ReadError().code, EUCLEAN) << "change " << i;
    image_ = good;
    Alter(0, changes[i]);
    EXPECT_TRUE(ReadSuperblock(image_, "x")) << "change " << i;
  }
}

TEST_F(SuperblockTest, RecordMountCountsAndRaisesTheSequence) {
  const auto before = ReadSuperblock(*region_);
  const Superblock mounted = RecordMount(*region_, *before);
  EXPECT_EQ(mounted.mount_count, before->mount_count + 1);
  EXPECT_GE(mounted.header.sequence, before->header.sequence + kSequencesPerMount - 1);
  const auto boot_id = CurrentBootId();
  EXPECT_EQ(std::memcmp(mounted.boot_id, boot_id.data(), boot_id.size()), 0);
  const auto after = ReadSuperblock(*region_);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->mount_count, mounted.mount_count);
  image_.assign(region_->base(), region_->base() + region_->size());
  Break(0);
  EXPECT_EQ(ReadSuperblock(image_, "x")->mount_count, mounted.mount_count);
}

// Cut the power after any store of the update, however many 8-byte words of it arrived.
// Which copy is lost already, if any: the other one is all there is, until the first is whole.
class SuperblockCrash : public testing::TestWithParam<std::optional<uint64_t>> {};

TEST_P(SuperblockCrash, OneSoundCopyAtEveryMoment) {
  tests::Recorder recorder;
  const auto region = recorder.MakeRegion(kBytes);
  ASSERT_TRUE(FormatRegion(*region, {}));
  if (GetParam()) region->persist().ZeroNt(region->Target(*GetParam()), kBlockSize);
  Image image(region->base(), region->base() + region->size());
  recorder.Clear();
  RecordMount(*region, *ReadSuperblock(*region));
  for (const auto& event : recorder.Events()) {
    if (event.length == 0) continue;
    for (uint64_t words = 0; words <= event.length / 8; ++words) {
      Image torn = image;
      recorder.Apply(event, torn, event.offset, words * 8);
      const auto found = ReadSuperblock(torn, "torn");
      ASSERT_TRUE(found) << found.error().Text();
      EXPECT_LE(found->mount_count, 1U);
    }
    recorder.Apply(event, image);
  }
}

INSTANTIATE_TEST_SUITE_P(Lost, SuperblockCrash,
                         testing::Values(std::nullopt, uint64_t{0}, kBytes - kBlockSize));

}  // namespace
}  // namespace holdfast::fsmeta
