// SPDX-License-Identifier: Apache-2.0
// Truncating and extending: what reads zero, what is freed, and chains that a crash cuts.
#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>

#include "fsmeta/format_region.h"
#include "tests/fsmeta/data_fixture.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

class FileTruncateTest : public DataFixture {
 protected:
  void SetSize(Ino ino, uint64_t size) {
    const auto done = data().SetSize(op(), ino, size, false);
    ASSERT_TRUE(done) << done.error().Text();
  }
  // Every second block, from the back, so that no two make one extent: a long list of extents.
  Ino MakeFragmented(uint64_t extents) {
    const Ino ino = MakeFile();
    for (uint64_t i = extents; i-- > 0;) WriteAt(ino, 2 * i * kBlock, "x");
    return ino;
  }
};

TEST_F(FileTruncateTest, CutsAndFrees) {
  const Ino ino = MakeFile();
  const uint64_t free = FreeBlocks();
  WriteAt(ino, 0, Pattern(10 * kBlock));
  SetSize(ino, 3 * kBlock + 7);
  EXPECT_EQ(ReadAll(ino), Pattern(3 * kBlock + 7));
  EXPECT_EQ(Shape(ino), "w4");
  SetSize(ino, 0);
  EXPECT_EQ(ReadAll(ino), "");
  EXPECT_EQ(SlotOf(ino).blocks, 0u);
  EXPECT_EQ(FreeBlocks(), free);
}

TEST_F(FileTruncateTest, WhatWasCutReadsZeroWhenTheFileGrowsAgain) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(2 * kBlock));
  SetSize(ino, 100);
  SetSize(ino, 2 * kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(100) + Zeroes(2 * kBlock - 100));
}

TEST_F(FileTruncateTest, GrowingShowsNothingThatLayPastTheEnd) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(100));
  Scribble(PlaceOf(ino, 100), Pattern(kBlock - 100));
  SetSize(ino, 200);
  EXPECT_EQ(ReadAll(ino), Pattern(100) + Zeroes(100));
  SetSize(ino, 5 * kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(100) + Zeroes(5 * kBlock - 100));
}

TEST_F(FileTruncateTest, ASharedLastBlockIsLeftAloneAndCleanedInACopy) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(kBlock));
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  SetSize(clone, 100);
  EXPECT_EQ(ReadAll(ino), Pattern(kBlock));
  EXPECT_EQ(Shape(clone), "s1");
  SetSize(clone, kBlock);
  EXPECT_EQ(ReadAll(clone), Pattern(100) + Zeroes(kBlock - 100));
  EXPECT_EQ(ReadAll(ino), Pattern(kBlock));
}

TEST_F(FileTruncateTest, FreesPreallocationPastTheEnd) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(100));
  ASSERT_TRUE(data().Allocate(op(), ino, FALLOC_FL_KEEP_SIZE, 0, 20 * kBlock));
  EXPECT_EQ(Shape(ino), "w1 u19");
  SetSize(ino, 100);
  EXPECT_EQ(Shape(ino), "w1");
}

TEST_F(FileTruncateTest, RefusesWhatCannotBe) {
  EXPECT_EQ(data().SetSize(op(), MakeFile(), kMaxFileSize + 1, false).error().code, EFBIG);
  EXPECT_EQ(data().SetSize(op(), Ino(kInoRoot), 0, false).error().code, EISDIR);
}

TEST_F(FileTruncateTest, WorksOnAFullDisk) {
  const Ino ino = MakeFragmented(300);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  mounted().FillUp(0);
  SetSize(clone, 100 * kBlock + 1);
  SetSize(ino, 100 * kBlock + 1);
  EXPECT_EQ(SlotOf(ino).blocks, 51u);
  SetSize(ino, 0);
  SetSize(clone, 0);
}

TEST_F(FileTruncateTest, ALongListOfExtentsGoesInAChainThatACrashMayCut) {
  const uint64_t kExtents = 400;
  const Ino ino = MakeFragmented(kExtents);
  const uint64_t blocks = SlotOf(ino).blocks;
  ASSERT_EQ(blocks, kExtents);
  // The image after each transaction of the chain is a crash in the middle of it.
  std::vector<std::vector<std::byte>> images;
  volume().transactions().set_after_commit([&] { images.push_back(mounted().Image()); });
  SetSize(ino, kBlock + 5);
  volume().transactions().set_after_commit({});
  ASSERT_GT(images.size(), 2u);
  EXPECT_EQ(SlotOf(ino).flags & kInodeTruncating, 0u);
  const uint64_t free = FreeBlocks();
  const size_t step = images.size() / 5 + 1;
  for (size_t i = 0; i < images.size(); i += step) {
    mounted().MountImage(images[i]);
    EXPECT_EQ(SizeOf(ino), kBlock + 5);
    ASSERT_TRUE(data().FinishTruncate(ino));
    EXPECT_EQ(SlotOf(ino).flags & kInodeTruncating, 0u);
    EXPECT_EQ(SlotOf(ino).orphan_slot, 0u);
    EXPECT_EQ(SlotOf(ino).blocks, 1u);
    EXPECT_EQ(FreeBlocks(), free);
  }
}

TEST_F(FileTruncateTest, AnUnfinishedTruncationIsFinishedBeforeTheFileGrows) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(20 * kBlock));
  // What the first transaction of a chain leaves behind.
  const InodeRef inode = volume().live().Get(ino);
  ASSERT_TRUE(volume().transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(FileEdit edit, FileEdit::Begin(volume(), tx, *inode, nullptr));
    edit.slot()->size = 2 * kBlock;
    return edit.BeginTruncation();
  }));
  WriteAt(ino, 10 * kBlock, "x");
  EXPECT_EQ(ReadAll(ino), Pattern(2 * kBlock) + Zeroes(8 * kBlock) + "x");
  EXPECT_EQ(SlotOf(ino).flags & kInodeTruncating, 0u);
}

TEST_F(FileTruncateTest, ReleaseAllLeavesNothing) {
  MakeFile();
  const uint64_t free = FreeBlocks();
  const Ino ino = MakeFragmented(400);
  ASSERT_TRUE(data().ReleaseAll(*volume().live().Get(ino)));
  EXPECT_EQ(SizeOf(ino), 0u);
  EXPECT_EQ(SlotOf(ino).blocks, 0u);
  EXPECT_EQ(FreeBlocks(), free);
}

// Whoever makes the file longer finds zeroes there and writes no others.
TEST(FileTruncateDurability, ZeroesPastTheEndAreDurableWhenItReturns) {
  tests::Recorder recorder;
  auto region = recorder.MakeRegion(tests::MountedFilesystem::kDefaultBytes);
  ASSERT_TRUE(FormatRegion(*region, {}));
  tests::MountedFilesystem fs(std::move(region), {});
  ASSERT_TRUE(fs.Create("file"));
  const Ino ino = *fs.Find("file");
  ASSERT_TRUE(fs.fs().AddLookup(ino));  // it stays in core, so that no times are written
  const std::string old = Pattern(kBlock);
  ASSERT_TRUE(FileData(fs.volume()).Write(fs.op(), ino, 0, std::as_bytes(std::span(old)), false));
  recorder.Clear();
  ASSERT_TRUE(FileData(fs.volume()).SetSize(fs.op(), ino, 100, false));
  using tests::PersistEvent;
  const auto events = recorder.Events();
  ASSERT_NE(std::ranges::find(events, PersistEvent::kZeroNt, &tests::RecordedEvent::kind),
            events.end());
  EXPECT_EQ(events.back().kind, PersistEvent::kDrain);
}

}  // namespace
}  // namespace holdfast::fsmeta
