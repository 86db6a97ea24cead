// SPDX-License-Identifier: Apache-2.0
// Writing: what goes in place, what gets new blocks, and what the rest of an edge block holds.
#include <sys/stat.h>

#include "fsmeta/lazy_times.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileWriteTest : public DataFixture {
 protected:
  using DataFixture::DataFixture;

  // Blocks that are handed out next hold something.
  void SoilFreeSpace() {
    const Ino dirt = MakeFile();
    WriteAt(dirt, 0, Pattern(512 * kBlock, 99));
    ASSERT_TRUE(data().SetSize(op(), dirt, 0, false));
  }
  Ino Cloned(Ino ino) {
    const Ino clone = MakeFile();
    EXPECT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
    return clone;
  }
};

class FileWriteCowTest : public FileWriteTest {
 protected:
  FileWriteCowTest() : FileWriteTest(16 * kMiB, DataMode::kCow) {}
};

class FileWriteLargeTest : public FileWriteTest {
 protected:
  FileWriteLargeTest() : FileWriteTest(128 * kMiB) {}
};

TEST_F(FileWriteTest, WhatReturnedSurvivesACrash) {
  const Ino ino = MakeFile();
  const std::string bytes = Pattern(3 * kBlock + 77);
  EXPECT_EQ(WriteAt(ino, 0, bytes), bytes.size());
  Remount();
  EXPECT_EQ(ReadAll(ino), bytes);
  EXPECT_EQ(SlotOf(ino).blocks, 4u);
}

TEST_F(FileWriteTest, EdgesOfNewBlocksAreZero) {
  SoilFreeSpace();
  const Ino ino = MakeFile();
  WriteAt(ino, kBlock + 100, "middle");
  ASSERT_TRUE(data().SetSize(op(), ino, 3 * kBlock, false));
  EXPECT_EQ(ReadAll(ino), Zeroes(kBlock + 100) + "middle" + Zeroes(2 * kBlock - 106));
  EXPECT_EQ(Shape(ino), "h1 w1 h1");
}

TEST_F(FileWriteTest, EdgesOfUnwrittenBlocksAreZeroed) {
  SoilFreeSpace();
  const Ino ino = MakeFile();
  ASSERT_TRUE(data().Allocate(op(), ino, 0, 0, 8 * kBlock));
  WriteAt(ino, 2 * kBlock + 5, Pattern(2 * kBlock));
  EXPECT_EQ(Shape(ino), "u2 w3 u3");
  EXPECT_EQ(ReadAll(ino), Zeroes(2 * kBlock + 5) + Pattern(2 * kBlock) + Zeroes(4 * kBlock - 5));
}

TEST_F(FileWriteTest, WrittenBlocksAreOverwrittenInPlaceWithoutATransaction) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(4 * kBlock));
  const InodeRef inode = volume().live().Get(ino);
  const uint64_t place = PlaceOf(ino, 0);
  const uint64_t sequence = SlotOf(ino).header.sequence;
  WriteAt(ino, 10, "new");
  EXPECT_EQ(PlaceOf(ino, 0), place);
  EXPECT_EQ(SlotOf(ino).header.sequence, sequence);
  EXPECT_EQ(ReadAt(ino, 9, 5), Pattern(10).substr(9) + "new" + Pattern(14).substr(13));
  // The times are lazy.
  absl::MutexLock lock(&inode->times_lock);
  EXPECT_TRUE(inode->times.mtime_dirty && inode->times.ctime_dirty);
}

TEST_F(FileWriteTest, AppendsInTheLastBlockStayInPlace) {
  const Ino ino = MakeFile();
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string line = Pattern(77, static_cast<uint64_t>(i));
    WriteAt(ino, all.size(), line);
    all += line;
  }
  EXPECT_EQ(ReadAll(ino), all);
  EXPECT_EQ(Shape(ino), "w2");
  Remount();
  EXPECT_EQ(ReadAll(ino), all);
}

TEST_F(FileWriteTest, SequentialWritesMakeOneExtent) {
  const Ino ino = MakeFile();
  for (uint64_t i = 0; i < 64; ++i) WriteAt(ino, i * kBlock, Pattern(kBlock, i));
  EXPECT_EQ(SlotOf(ino).inline_count, 1);
}

TEST_F(FileWriteLargeTest, LargeFilesLieSoThatTheyCanBeMappedInHugePages) {
  WriteAt(MakeFile(), 0, "something small first");
  const Ino ino = MakeFile();
  for (uint64_t i = 0; i < 6; ++i) WriteAt(ino, i * kMiB, Pattern(kMiB, i));
  EXPECT_EQ(SlotOf(ino).inline_count, 1);
  EXPECT_EQ(PlaceOf(ino, 0) % (2 * kMiB), 0u);
  // What the first piece took more than it needed was given back.
  EXPECT_EQ(SlotOf(ino).blocks, 6 * kMiB / kBlock);
  const Ino late = MakeFile();
  WriteAt(late, kMiB, Pattern(kMiB));
  EXPECT_EQ(PlaceOf(late, kMiB) % (2 * kMiB), kMiB);
  EXPECT_EQ(ReadAt(late, kMiB, kMiB), Pattern(kMiB));
}

TEST_F(FileWriteTest, TheGapPastTheOldEndReadsZero) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(3000));
  // As a client that maps the block, or a truncation that crashed, may leave it.
  Scribble(PlaceOf(ino, 3000), Pattern(1096));
  WriteAt(ino, 3500, "x");
  EXPECT_EQ(ReadAll(ino), Pattern(3000) + Zeroes(500) + "x");
  Scribble(PlaceOf(ino, 3501), Pattern(500));
  WriteAt(ino, 9000, "y");
  EXPECT_EQ(ReadAt(ino, 3000, kMaxFileSize), Zeroes(500) + "x" + Zeroes(5499) + "y");
}

TEST_F(FileWriteTest, TheGapIsCleanedInACopyIfTheLastBlockIsShared) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(3000));
  Scribble(PlaceOf(ino, 3000), Pattern(1096));
  const Ino clone = Cloned(ino);
  WriteAt(clone, 9000, "y");
  EXPECT_EQ(ReadAll(clone), Pattern(3000) + Zeroes(6000) + "y");
  WriteAt(ino, 3500, "z");
  EXPECT_EQ(ReadAll(ino), Pattern(3000) + Zeroes(500) + "z");
  EXPECT_EQ(ReadAt(clone, 3000, 1000), Zeroes(1000));
}

TEST_F(FileWriteTest, SharedBlocksAreCopiedOnWrite) {
  const Ino ino = MakeFile();
  const std::string old = Pattern(6 * kBlock);
  WriteAt(ino, 0, old);
  const Ino clone = Cloned(ino);
  EXPECT_EQ(Shape(clone), "s6");
  const std::string bytes = Pattern(kBlock + 50, 2);
  WriteAt(clone, 2 * kBlock + 100, bytes);
  EXPECT_EQ(Shape(clone), "s2 w2 s2");
  EXPECT_EQ(ReadAll(ino), old);
  std::string expected = old;
  expected.replace(2 * kBlock + 100, bytes.size(), bytes);
  EXPECT_EQ(ReadAll(clone), expected);
  // The blocks are ours now, on both sides.
  const uint64_t free = FreeBlocks();
  WriteAt(clone, 2 * kBlock, "a");
  WriteAt(ino, 2 * kBlock, "b");
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(ReadAt(clone, 2 * kBlock, 1) + ReadAt(ino, 2 * kBlock, 1), "ab");
}

TEST_F(FileWriteTest, OneWriteOverEveryKindOfBlock) {
  SoilFreeSpace();
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(2 * kBlock));                                // w w
  const Ino clone = Cloned(ino);                                       // s s
  WriteAt(ino, 2 * kBlock, Pattern(kBlock, 3));                        // w
  ASSERT_TRUE(data().Allocate(op(), ino, 0, 4 * kBlock, 2 * kBlock));  // h u u
  ASSERT_EQ(Shape(ino), "s2 w1 h1 u2");
  const std::string bytes = Pattern(5 * kBlock, 4);
  WriteAt(ino, 500, bytes);
  EXPECT_EQ(Shape(ino), "w6");
  EXPECT_EQ(ReadAll(ino), Pattern(500) + bytes + Zeroes(kBlock - 500));
  EXPECT_EQ(ReadAll(clone), Pattern(2 * kBlock));
  Remount();
  EXPECT_EQ(ReadAt(ino, 500, bytes.size()), bytes);
}

TEST_F(FileWriteTest, ReachesTheLargestSizeAndNotBeyond) {
  const Ino ino = MakeFile();
  EXPECT_EQ(WriteAt(ino, kMaxFileSize - 2, "abcd"), 2u);
  EXPECT_EQ(SizeOf(ino), kMaxFileSize);
  EXPECT_EQ(ReadAt(ino, kMaxFileSize - 3, 10), std::string("\0ab", 3));
  const std::byte byte{1};
  EXPECT_EQ(data().Write(op(), ino, kMaxFileSize, {&byte, 1}, false).error().code, EFBIG);
  EXPECT_EQ(data().Write(op(), ino, UINT64_MAX, {&byte, 1}, false).error().code, EFBIG);
  EXPECT_EQ(data().Write(op(), ino, kMaxFileSize, {}, false).value_or(9), 0u);
}

TEST_F(FileWriteTest, SetuidGoesWhenTheCallerHasNoRightToKeepIt) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, "program");
  const auto make_suid = [&] {
    ASSERT_TRUE(volume().transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume().inodes().Edit(tx, ino));
      slot->mode = S_IFREG | 06755;
      return {};
    }));
  };
  make_suid();
  const std::byte byte{'P'};
  ASSERT_TRUE(data().Write(op(), ino, 0, {&byte, 1}, false));
  EXPECT_EQ(SlotOf(ino).mode & 07777, 06755u);
  ASSERT_TRUE(data().Write(op(), ino, 0, {&byte, 1}, true));
  EXPECT_EQ(SlotOf(ino).mode & 07777, 0755u);
  make_suid();
  ASSERT_TRUE(data().SetSize(op(), ino, 3, true));
  EXPECT_EQ(SlotOf(ino).mode & 07777, 0755u);
  make_suid();
  OpContext user;
  user.caller.uid = 1000;
  ASSERT_TRUE(data().Allocate(user, ino, 0, 0, 9 * kBlock));
  EXPECT_EQ(SlotOf(ino).mode & 07777, 0755u);
  EXPECT_EQ(ReadAt(ino, 0, 10), "Pro" + Zeroes(7));
}

TEST_F(FileWriteTest, WhatIsWrittenBackLateMakesNoFileLonger) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(2 * kBlock + 100));
  const std::string page = Pattern(kBlock, 2);
  const auto bytes = std::as_bytes(std::span(page));
  const auto write_back = [&](uint64_t at) {
    EXPECT_EQ(data().WriteBack(op(), ino, at, bytes).value_or(0), page.size()) << at;
  };
  write_back(2 * kBlock);  // over the end
  write_back(3 * kBlock);  // past it
  write_back(UINT64_MAX);
  EXPECT_EQ(ReadAll(ino), Pattern(2 * kBlock) + page.substr(0, 100));
  write_back(kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(kBlock) + page + page.substr(0, 100));
  ASSERT_TRUE(data().SetSize(op(), ino, 0, false));
  write_back(0);
  EXPECT_EQ(SizeOf(ino), 0u);
  // Nothing was stored where a longer file would show it.
  ASSERT_TRUE(data().SetSize(op(), ino, 4 * kBlock, false));
  EXPECT_EQ(ReadAll(ino), Zeroes(4 * kBlock));
}

TEST_F(FileWriteTest, AFullDiskWritesWhatFits) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(kBlock));
  mounted().FillUp(40);
  const uint64_t written = WriteAt(ino, 100, Pattern(100 * kBlock, 2));
  EXPECT_GT(written, kBlock);
  EXPECT_LT(written, 45 * kBlock);
  EXPECT_EQ(SizeOf(ino), 100 + written);
  EXPECT_EQ(ReadAll(ino), Pattern(100) + Pattern(100 * kBlock, 2).substr(0, written));
  uint64_t end = SizeOf(ino);
  for (;;) {
    const std::byte byte{7};
    const auto more = data().Write(op(), ino, end, {&byte, 1}, false);
    if (!more) {
      EXPECT_EQ(more.error().code, ENOSPC);
      break;
    }
    end += kBlock;
  }
  // What has its blocks can still be written, and room can be made.
  EXPECT_EQ(WriteAt(ino, 0, "still"), 5u);
  ASSERT_TRUE(data().SetSize(op(), ino, 0, false));
  EXPECT_EQ(WriteAt(ino, 0, "again"), 5u);
}

TEST_F(FileWriteCowTest, NeverWritesOverWhatIsThere) {
  const Ino ino = MakeFile();
  const std::string old = Pattern(4 * kBlock);
  WriteAt(ino, 0, old);
  const uint64_t place = PlaceOf(ino, kBlock);
  WriteAt(ino, kBlock + 10, "new");
  EXPECT_NE(PlaceOf(ino, kBlock), place);
  EXPECT_EQ(MediumAt(place, kBlock), old.substr(kBlock, kBlock));
  std::string expected = old;
  expected.replace(kBlock + 10, 3, "new");
  EXPECT_EQ(ReadAll(ino), expected);
  EXPECT_EQ(SlotOf(ino).blocks, 4u);
}

TEST_F(FileWriteCowTest, GivesTheOldBlocksBack) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(8 * kBlock));
  const uint64_t free = FreeBlocks();
  for (uint64_t i = 0; i < 100; ++i) WriteAt(ino, (i % 7) * kBlock + 1, Pattern(kBlock, i));
  EXPECT_GE(FreeBlocks() + 2, free);
}

}  // namespace
}  // namespace holdfast::fsmeta
