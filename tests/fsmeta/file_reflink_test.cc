// SPDX-License-Identifier: Apache-2.0
// Reflink: what is shared, what it costs, and what it refuses.
#include <linux/falloc.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileReflinkTest : public DataFixture {
 protected:
  int Reflink(Ino from, uint64_t from_offset, Ino to, uint64_t to_offset, uint64_t length) {
    const auto done = data().Reflink(op(), from, from_offset, to, to_offset, length);
    return done ? 0 : done.error().code;
  }
};

TEST_F(FileReflinkTest, AWholeFileCostsNoSpace) {
  const Ino ino = Written(100 * kBlock + 9);
  const Ino clone = MakeFile();
  WriteAt(clone, 0, "x");
  ASSERT_TRUE(data().SetSize(op(), clone, 0, false));
  const uint64_t free = FreeBlocks();
  ASSERT_EQ(Reflink(ino, 0, clone, 0, 0), 0);
  // The first shared extent of a group needs a node for its count.
  EXPECT_GE(FreeBlocks() + 1, free);
  EXPECT_EQ(ReadAll(clone), Pattern(100 * kBlock + 9));
  EXPECT_EQ(PlaceOf(clone, 50 * kBlock), PlaceOf(ino, 50 * kBlock));
  EXPECT_EQ(Shape(ino), "s101");
  EXPECT_EQ(SlotOf(clone).blocks, 101u);
  EXPECT_NE(SlotOf(ino).flags & kInodeMayShare, 0u);
  Remount();
  EXPECT_EQ(ReadAll(clone), Pattern(100 * kBlock + 9));
}

TEST_F(FileReflinkTest, BlocksLiveAsLongAsOneOwner) {
  const Ino a = MakeFile();
  const Ino b = MakeFile();
  const uint64_t free = FreeBlocks();
  const Ino ino = Written(50 * kBlock);
  ASSERT_EQ(Reflink(ino, 0, a, 0, 0), 0);
  ASSERT_EQ(Reflink(a, 0, b, 0, 0), 0);
  ASSERT_TRUE(data().SetSize(op(), ino, 0, false));
  ASSERT_TRUE(data().SetSize(op(), a, 20 * kBlock, false));
  EXPECT_EQ(ReadAll(b), Pattern(50 * kBlock));
  EXPECT_EQ(Shape(b), "s20 w30");
  ASSERT_TRUE(data().SetSize(op(), a, 0, false));
  ASSERT_TRUE(data().SetSize(op(), b, 0, false));
  EXPECT_EQ(FreeBlocks(), free);
}

TEST_F(FileReflinkTest, ARangeReplacesWhatWasThere) {
  const Ino ino = Written(10 * kBlock);
  const Ino to = Written(8 * kBlock, 2);
  ASSERT_EQ(Reflink(ino, 4 * kBlock, to, 2 * kBlock, 3 * kBlock), 0);
  std::string expected = Pattern(8 * kBlock, 2);
  expected.replace(2 * kBlock, 3 * kBlock, Pattern(10 * kBlock).substr(4 * kBlock, 3 * kBlock));
  EXPECT_EQ(ReadAll(to), expected);
  EXPECT_EQ(Shape(to), "w2 s3 w3");
  EXPECT_EQ(Shape(ino), "w4 s3 w3");
}

TEST_F(FileReflinkTest, HolesAndUnwrittenBlocksBecomeHoles) {
  const Ino ino = Written(kBlock);
  ASSERT_TRUE(data().Allocate(op(), ino, 0, 2 * kBlock, 2 * kBlock));
  WriteAt(ino, 6 * kBlock, Pattern(kBlock, 3));
  const Ino to = Written(9 * kBlock, 2);
  ASSERT_EQ(Reflink(ino, 0, to, 0, 0), 0);
  EXPECT_EQ(ReadAll(to), Pattern(kBlock) + Zeroes(5 * kBlock) + Pattern(kBlock, 3) +
                             Pattern(9 * kBlock, 2).substr(7 * kBlock));
  EXPECT_EQ(Shape(to), "s1 h5 s1 w2");
}

TEST_F(FileReflinkTest, WithinOneFile) {
  const Ino ino = Written(4 * kBlock + 100);
  ASSERT_EQ(Reflink(ino, 0, ino, 2 * kBlock, 2 * kBlock), 0);
  const std::string two = Pattern(2 * kBlock);
  const std::string tail = Pattern(4 * kBlock + 100).substr(4 * kBlock);
  EXPECT_EQ(ReadAll(ino), two + two + tail);
  EXPECT_EQ(PlaceOf(ino, 0), PlaceOf(ino, 2 * kBlock));
  // The last block becomes one in the middle of the file.
  ASSERT_EQ(Reflink(ino, 0, ino, 6 * kBlock, 0), 0);
  EXPECT_EQ(ReadAll(ino), two + two + tail + Zeroes(2 * kBlock - 100) + two + two + tail);
  WriteAt(ino, 0, "changed");
  EXPECT_EQ(ReadAt(ino, 2 * kBlock, kBlock), two.substr(0, kBlock));
  EXPECT_EQ(Reflink(ino, 0, ino, kBlock, 2 * kBlock), EINVAL);
}

TEST_F(FileReflinkTest, ThePartialLastBlock) {
  const Ino ino = Written(2 * kBlock + 100);
  const Ino longer = Written(5 * kBlock, 2);
  EXPECT_EQ(Reflink(ino, 0, longer, 0, 0), EINVAL);
  EXPECT_EQ(Reflink(ino, 0, longer, 0, kBlock + 1), EINVAL);
  EXPECT_EQ(ReadAll(longer), Pattern(5 * kBlock, 2));
  ASSERT_EQ(Reflink(ino, 0, longer, 4 * kBlock, 0), 0);
  EXPECT_EQ(SizeOf(longer), 6 * kBlock + 100);
  EXPECT_EQ(ReadAt(longer, 4 * kBlock, kMaxFileSize), Pattern(2 * kBlock + 100));
  ASSERT_TRUE(data().SetSize(op(), longer, 7 * kBlock, false));
  EXPECT_EQ(ReadAt(longer, 6 * kBlock, kMaxFileSize),
            Pattern(2 * kBlock + 100).substr(2 * kBlock) + Zeroes(kBlock - 100));
}

TEST_F(FileReflinkTest, RefusesWhatCannotBeShared) {
  const Ino ino = Written(2 * kBlock);
  const Ino to = MakeFile();
  EXPECT_EQ(Reflink(ino, 1, to, 0, kBlock), EINVAL);
  EXPECT_EQ(Reflink(ino, 0, to, 5, kBlock), EINVAL);
  EXPECT_EQ(Reflink(ino, 0, to, 0, 3 * kBlock), EINVAL);
  EXPECT_EQ(Reflink(ino, 3 * kBlock, to, 0, 0), EINVAL);
  EXPECT_EQ(Reflink(ino, 2 * kBlock, to, 0, 0), 0);
  EXPECT_EQ(Reflink(ino, 0, to, kMaxFileSize - kBlock, 0), EFBIG);
  EXPECT_EQ(Reflink(ino, 0, Ino(kInoRoot), 0, 0), EISDIR);
  EXPECT_EQ(SizeOf(to), 0u);
}

TEST_F(FileReflinkTest, NoRoomForCountsChangesNothing) {
  const Ino ino = MakeFile();
  for (uint64_t i = 0; i < 400; ++i) WriteAt(ino, 2 * i * kBlock, "x");
  const Ino to = Written(kBlock, 2);
  mounted().FillUp(0);
  const uint64_t free = FreeBlocks();
  EXPECT_EQ(Reflink(ino, 0, to, 0, 0), ENOSPC);
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(ReadAll(to), Pattern(kBlock, 2));
  EXPECT_EQ(SlotOf(to).flags & kInodeMayShare, 0u);
}

}  // namespace
}  // namespace holdfast::fsmeta
