// SPDX-License-Identifier: Apache-2.0
// copy_file_range: shares where it can, copies where it must, says how much.
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileCopyTest : public DataFixture {
 protected:
  FileCopyTest() : DataFixture(64 * kMiB) {}
  Result<uint64_t> Copy(Ino from, uint64_t from_offset, Ino to, uint64_t to_offset,
                        uint64_t length) {
    return data().CopyRange(op(), from, from_offset, to, to_offset, length);
  }
};

TEST_F(FileCopyTest, APlainCopySharesEverything) {
  const Ino ino = Written(10 * kBlock + 77);
  const Ino to = MakeFile();
  EXPECT_EQ(Copy(ino, 0, to, 0, uint64_t{1} << 40).value_or(0), 10 * kBlock + 77);
  EXPECT_EQ(ReadAll(to), Pattern(10 * kBlock + 77));
  EXPECT_EQ(Shape(to), "s11");
}

TEST_F(FileCopyTest, EqualOffsetsInsideBlocksShareTheMiddle) {
  const Ino ino = Written(10 * kBlock);
  const Ino to = Written(12 * kBlock, 2);
  EXPECT_EQ(Copy(ino, 2 * kBlock + 100, to, 4 * kBlock + 100, 4 * kBlock).value_or(0), 4 * kBlock);
  std::string expected = Pattern(12 * kBlock, 2);
  expected.replace(4 * kBlock + 100, 4 * kBlock,
                   Pattern(10 * kBlock).substr(2 * kBlock + 100, 4 * kBlock));
  EXPECT_EQ(ReadAll(to), expected);
  EXPECT_EQ(Shape(to), "w5 s3 w4");
}

TEST_F(FileCopyTest, OtherOffsetsCopy) {
  const Ino ino = Written(3 * kMiB + 5);
  const Ino to = MakeFile();
  EXPECT_EQ(Copy(ino, 1, to, 7, 3 * kMiB).value_or(0), 3 * kMiB);
  EXPECT_EQ(ReadAll(to), Zeroes(7) + Pattern(3 * kMiB + 5).substr(1, 3 * kMiB));
  EXPECT_EQ(SlotOf(ino).flags & kInodeMayShare, 0u);
}

TEST_F(FileCopyTest, ALongCopyComesInParts) {
  const Ino ino = MakeFile();
  WriteAt(ino, 20 * kMiB, "end");
  const Ino to = MakeFile();
  uint64_t done = 0;
  int calls = 0;
  for (; done < 20 * kMiB + 2; ++calls) {
    const uint64_t part = Copy(ino, done + 1, to, done, UINT64_MAX).value_or(0);
    ASSERT_GT(part, 0u);
    done += part;
  }
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(ReadAt(to, 20 * kMiB - 4, 100), Zeroes(3) + "end");
}

TEST_F(FileCopyTest, StopsAtTheEndOfTheSource) {
  const Ino ino = Written(100);
  const Ino to = MakeFile();
  EXPECT_EQ(Copy(ino, 40, to, 0, 1000).value_or(0), 60u);
  EXPECT_EQ(Copy(ino, 100, to, 0, 1000).value_or(1), 0u);
  EXPECT_EQ(Copy(ino, 500, to, 0, 1000).value_or(1), 0u);
  EXPECT_EQ(ReadAll(to), Pattern(100).substr(40));
}

TEST_F(FileCopyTest, WithinOneFile) {
  const Ino ino = Written(4 * kBlock);
  EXPECT_EQ(Copy(ino, 0, ino, 100, 50).value_or(0), 50u);
  EXPECT_EQ(ReadAt(ino, 0, 200), Pattern(100) + Pattern(50) + Pattern(200).substr(150));
  EXPECT_EQ(Copy(ino, 0, ino, 8 * kBlock, 4 * kBlock).value_or(0), 4 * kBlock);
  EXPECT_EQ(ReadAt(ino, 8 * kBlock, kMaxFileSize), ReadAt(ino, 0, 4 * kBlock));
  EXPECT_EQ(Copy(ino, 0, ino, 10, 20).error().code, EINVAL);
  EXPECT_EQ(Copy(ino, 10, ino, 0, 20).error().code, EINVAL);
  EXPECT_EQ(Copy(ino, 0, ino, 0, 20).error().code, EINVAL);
}

TEST_F(FileCopyTest, TheLastBlockIsCopiedWhereTheDestinationGoesOn) {
  const Ino ino = Written(2 * kBlock + 10);
  const Ino to = Written(4 * kBlock, 2);
  EXPECT_EQ(Copy(ino, 0, to, 0, kMaxFileSize / 2).value_or(0), 2 * kBlock + 10);
  EXPECT_EQ(ReadAll(to), Pattern(2 * kBlock + 10) + Pattern(4 * kBlock, 2).substr(2 * kBlock + 10));
  EXPECT_EQ(Shape(to), "s2 w2");
}

}  // namespace
}  // namespace holdfast::fsmeta
