// SPDX-License-Identifier: Apache-2.0
// fallocate: preallocation, punching, zeroing; and that each is whole or not at all.
#include <linux/falloc.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int kZero = FALLOC_FL_ZERO_RANGE;
constexpr int kKeep = FALLOC_FL_KEEP_SIZE;

class FileAllocateTest : public DataFixture {
 protected:
  void Allocate(Ino ino, int mode, uint64_t offset, uint64_t length) {
    const auto done = data().Allocate(op(), ino, mode, offset, length);
    ASSERT_TRUE(done) << done.error().Text();
  }
};

TEST_F(FileAllocateTest, FillsHolesAndExtends) {
  const Ino ino = MakeFile();
  WriteAt(ino, 2 * kBlock, Pattern(kBlock));
  Allocate(ino, 0, 100, 5 * kBlock);
  EXPECT_EQ(Shape(ino), "u2 w1 u3");
  EXPECT_EQ(SizeOf(ino), 5 * kBlock + 100);
  EXPECT_EQ(ReadAll(ino), Zeroes(2 * kBlock) + Pattern(kBlock) + Zeroes(2 * kBlock + 100));
  Allocate(ino, kKeep, 6 * kBlock, 10 * kBlock);
  EXPECT_EQ(SizeOf(ino), 5 * kBlock + 100);
  EXPECT_EQ(SlotOf(ino).blocks, 16u);
}

TEST_F(FileAllocateTest, ExtendingCleansTheOldLastBlock) {
  const Ino ino = Written(100);
  Scribble(PlaceOf(ino, 100), Pattern(500));
  Allocate(ino, 0, kBlock, kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(100) + Zeroes(2 * kBlock - 100));
}

TEST_F(FileAllocateTest, TooMuchChangesNothing) {
  const Ino ino = Written(100);
  const uint64_t free = FreeBlocks();
  EXPECT_EQ(AllocateError(ino, 0, 0, 100 * kMiB), ENOSPC);
  EXPECT_EQ(AllocateError(ino, kZero, 0, 100 * kMiB), ENOSPC);
  EXPECT_EQ(SizeOf(ino), 100u);
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(Shape(ino), "w1");
}

TEST_F(FileAllocateTest, RefusesOddCalls) {
  const Ino ino = Written(100);
  EXPECT_EQ(AllocateError(ino, 0, 0, 0), EINVAL);
  EXPECT_EQ(AllocateError(ino, 0, kMaxFileSize, 1), EFBIG);
  EXPECT_EQ(AllocateError(ino, 0, UINT64_MAX - 5, 10), EFBIG);
  EXPECT_EQ(AllocateError(ino, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
  EXPECT_EQ(AllocateError(ino, FALLOC_FL_COLLAPSE_RANGE | kKeep, 0, kBlock), EOPNOTSUPP);
  EXPECT_EQ(AllocateError(ino, 0x4000, 0, 10), EOPNOTSUPP);
  EXPECT_EQ(AllocateError(Ino(kInoRoot), 0, 0, 10), EISDIR);
}

TEST_F(FileAllocateTest, PunchUnmapsWholeBlocksAndZeroesEdges) {
  const Ino ino = Written(6 * kBlock);
  const uint64_t edge = PlaceOf(ino, 0);
  Allocate(ino, kPunch, 1000, 4 * kBlock);
  std::string expected = Pattern(6 * kBlock);
  expected.replace(1000, 4 * kBlock, Zeroes(4 * kBlock));
  EXPECT_EQ(ReadAll(ino), expected);
  EXPECT_EQ(Shape(ino), "w1 h3 w2");
  // Edges that are ours alone are journaled, not moved.
  EXPECT_EQ(PlaceOf(ino, 0), edge);
  Remount();
  EXPECT_EQ(ReadAll(ino), expected);
}

TEST_F(FileAllocateTest, PunchInsideOneBlock) {
  const Ino ino = Written(kBlock);
  Allocate(ino, kPunch, 10, 20);
  EXPECT_EQ(ReadAll(ino), Pattern(10) + Zeroes(20) + Pattern(kBlock).substr(30));
  Allocate(ino, kPunch, 4000, kBlock);
  EXPECT_EQ(ReadAt(ino, 3999, 97), Pattern(4000).substr(3999) + Zeroes(96));
  EXPECT_EQ(SizeOf(ino), kBlock);
}

TEST_F(FileAllocateTest, PunchPastTheEndTakesPreallocationAway) {
  const Ino ino = Written(100);
  Allocate(ino, kKeep, 0, 10 * kBlock);
  Allocate(ino, kPunch, 2 * kBlock, 4 * kBlock);
  EXPECT_EQ(Shape(ino), "w1 u1 h4 u4");
  EXPECT_EQ(SizeOf(ino), 100u);
}

TEST_F(FileAllocateTest, PunchCopiesSharedEdges) {
  const Ino ino = Written(4 * kBlock);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  Allocate(clone, kPunch, 100, 2 * kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(4 * kBlock));
  EXPECT_EQ(ReadAll(clone),
            Pattern(100) + Zeroes(2 * kBlock) + Pattern(4 * kBlock).substr(2 * kBlock + 100));
  EXPECT_EQ(Shape(clone), "w1 h1 w1 s1");
}

TEST_F(FileAllocateTest, PunchWorksOnAFullDisk) {
  const Ino ino = Written(64 * kBlock);
  mounted().FillUp(0);
  for (uint64_t i = 0; i < 16; ++i) Allocate(ino, kPunch, (4 * i) * kBlock + 7, kBlock + 100);
  EXPECT_EQ(ReadAt(ino, 7, kBlock + 100), Zeroes(kBlock + 100));
}

TEST_F(FileAllocateTest, ZeroRangeMakesUnwrittenBlocks) {
  const Ino ino = Written(6 * kBlock);
  const uint64_t free = FreeBlocks();
  Allocate(ino, kZero, 1000, 4 * kBlock);
  std::string expected = Pattern(6 * kBlock);
  expected.replace(1000, 4 * kBlock, Zeroes(4 * kBlock));
  EXPECT_EQ(ReadAll(ino), expected);
  EXPECT_EQ(Shape(ino), "w1 u3 w2");
  EXPECT_EQ(FreeBlocks(), free);
}

TEST_F(FileAllocateTest, ZeroRangeFillsHolesAndGrows) {
  const Ino ino = Written(kBlock + 10);
  Allocate(ino, kZero | kKeep, 4 * kBlock, 2 * kBlock);
  EXPECT_EQ(SizeOf(ino), kBlock + 10);
  Allocate(ino, kZero, 3 * kBlock, 2 * kBlock + 10);
  EXPECT_EQ(SizeOf(ino), 5 * kBlock + 10);
  EXPECT_EQ(Shape(ino), "w2 h1 u3");
  EXPECT_EQ(ReadAll(ino), Pattern(kBlock + 10) + Zeroes(4 * kBlock));
}

TEST_F(FileAllocateTest, ZeroRangeOverSharedBlocksLeavesTheOtherFileAlone) {
  const Ino ino = Written(4 * kBlock);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  Allocate(clone, kZero, 10, 3 * kBlock);
  EXPECT_EQ(ReadAll(ino), Pattern(4 * kBlock));
  EXPECT_EQ(ReadAll(clone),
            Pattern(10) + Zeroes(3 * kBlock) + Pattern(4 * kBlock).substr(3 * kBlock + 10));
  WriteAt(clone, kBlock, Pattern(kBlock, 5));
  EXPECT_EQ(ReadAll(ino), Pattern(4 * kBlock));
}

}  // namespace
}  // namespace holdfast::fsmeta
