// SPDX-License-Identifier: Apache-2.0
// Collapse and insert: contents move, blocks do not.
#include <linux/falloc.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

constexpr int kCollapse = FALLOC_FL_COLLAPSE_RANGE;
constexpr int kInsert = FALLOC_FL_INSERT_RANGE;

using FileShiftTest = DataFixture;

TEST_F(FileShiftTest, CollapseTakesARangeOut) {
  const Ino ino = MakeFile();
  const std::string bytes = Pattern(10 * kBlock + 50);
  WriteAt(ino, 0, bytes);
  const uint64_t free = FreeBlocks();
  const uint64_t place = PlaceOf(ino, 7 * kBlock);
  ASSERT_EQ(AllocateError(ino, kCollapse, 2 * kBlock, 3 * kBlock), 0);
  EXPECT_EQ(ReadAll(ino), bytes.substr(0, 2 * kBlock) + bytes.substr(5 * kBlock));
  EXPECT_EQ(PlaceOf(ino, 4 * kBlock), place);
  EXPECT_EQ(FreeBlocks(), free + 3);
  Remount();
  EXPECT_EQ(ReadAll(ino), bytes.substr(0, 2 * kBlock) + bytes.substr(5 * kBlock));
}

TEST_F(FileShiftTest, InsertMakesAHole) {
  const Ino ino = MakeFile();
  const std::string bytes = Pattern(5 * kBlock + 50);
  WriteAt(ino, 0, bytes);
  ASSERT_EQ(AllocateError(ino, kInsert, kBlock, 2 * kBlock), 0);
  EXPECT_EQ(Shape(ino), "w1 h2 w5");
  EXPECT_EQ(ReadAll(ino),
            bytes.substr(0, kBlock) + std::string(2 * kBlock, '\0') + bytes.substr(kBlock));
}

TEST_F(FileShiftTest, ManyExtentsMoveTogether) {
  const Ino ino = MakeFile();
  for (uint64_t i = 0; i < 200; ++i) WriteAt(ino, 2 * i * kBlock, Pattern(kBlock, i));
  const std::string bytes = ReadAll(ino);
  ASSERT_EQ(AllocateError(ino, kInsert, 10 * kBlock, 500 * kBlock), 0);
  EXPECT_EQ(ReadAt(ino, 510 * kBlock, kMaxFileSize), bytes.substr(10 * kBlock));
  ASSERT_EQ(AllocateError(ino, kCollapse, 9 * kBlock, 501 * kBlock), 0);
  EXPECT_EQ(ReadAll(ino), bytes.substr(0, 9 * kBlock) + bytes.substr(10 * kBlock));
}

TEST_F(FileShiftTest, RefusesWhatIsNotABlockOrNotInside) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(4 * kBlock));
  EXPECT_EQ(AllocateError(ino, kCollapse, 1, kBlock), EINVAL);
  EXPECT_EQ(AllocateError(ino, kCollapse, 0, kBlock + 1), EINVAL);
  EXPECT_EQ(AllocateError(ino, kCollapse, 3 * kBlock, kBlock), EINVAL);
  EXPECT_EQ(AllocateError(ino, kCollapse, 2 * kBlock, 8 * kBlock), EINVAL);
  EXPECT_EQ(AllocateError(ino, kInsert, 4 * kBlock, kBlock), EINVAL);
  EXPECT_EQ(AllocateError(ino, kInsert, 17, kBlock), EINVAL);
  EXPECT_EQ(AllocateError(ino, kInsert, 0, kMaxFileSize), EFBIG);
  EXPECT_EQ(ReadAll(ino), Pattern(4 * kBlock));
}

TEST_F(FileShiftTest, PreallocationMustNotBePushedOutOfTheFile) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(2 * kBlock));
  ASSERT_EQ(AllocateError(ino, FALLOC_FL_KEEP_SIZE, kMaxFileSize - kBlock, kBlock), 0);
  EXPECT_EQ(AllocateError(ino, kInsert, 0, kBlock), EFBIG);
  EXPECT_EQ(ReadAll(ino), Pattern(2 * kBlock));
}

}  // namespace
}  // namespace holdfast::fsmeta
