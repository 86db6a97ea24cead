// SPDX-License-Identifier: Apache-2.0
// Unshare: own copies, same contents.
#include <linux/falloc.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileUnshareTest : public DataFixture {
 protected:
  FileUnshareTest() : DataFixture(64 * kMiB) {}
  int Unshare(Ino ino, uint64_t offset, uint64_t length) {
    return AllocateError(ino, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
  }
};

TEST_F(FileUnshareTest, CopiesOnlyWhatIsShared) {
  const Ino ino = MakeFile();
  const std::string bytes = Pattern(12 * kMiB);
  WriteAt(ino, 0, bytes);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  WriteAt(clone, kMiB, "own");
  const uint64_t place = PlaceOf(clone, kMiB);
  ASSERT_EQ(Unshare(clone, 10, 11 * kMiB), 0);
  EXPECT_EQ(PlaceOf(clone, kMiB), place);
  EXPECT_EQ(Shape(clone), "w2817 s255");
  std::string expected = bytes;
  expected.replace(kMiB, 3, "own");
  EXPECT_EQ(ReadAll(clone), expected);
  EXPECT_EQ(ReadAll(ino), bytes);
  const uint64_t free = FreeBlocks();
  WriteAt(clone, 0, Pattern(10 * kMiB, 2));
  EXPECT_EQ(FreeBlocks(), free);
}

TEST_F(FileUnshareTest, FillsHolesSoThatLaterWritesFindRoom) {
  const Ino ino = MakeFile();
  WriteAt(ino, 2 * kBlock, Pattern(kBlock));
  ASSERT_EQ(Unshare(ino, 0, 4 * kBlock), 0);
  EXPECT_EQ(Shape(ino), "u2 w1 u1");
  EXPECT_EQ(SizeOf(ino), 3 * kBlock);
}

TEST_F(FileUnshareTest, AFileThatSharesNothingAnyMoreSaysSo) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(4 * kBlock));
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  ASSERT_EQ(Unshare(clone, 0, 2 * kBlock), 0);
  EXPECT_NE(SlotOf(clone).flags & kInodeMayShare, 0u);
  ASSERT_EQ(Unshare(clone, 0, 4 * kBlock), 0);
  EXPECT_EQ(SlotOf(clone).flags & kInodeMayShare, 0u);
}

TEST_F(FileUnshareTest, NoRoomLeavesEveryByte) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(20 * kMiB));
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 0, clone, 0, 0));
  mounted().FillUp(10 * kMiB / kBlock);
  EXPECT_EQ(Unshare(clone, 0, 20 * kMiB), ENOSPC);
  EXPECT_EQ(ReadAll(clone), Pattern(20 * kMiB));
  EXPECT_EQ(ReadAll(ino), Pattern(20 * kMiB));
}

}  // namespace
}  // namespace holdfast::fsmeta
