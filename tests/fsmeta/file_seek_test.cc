// SPDX-License-Identifier: Apache-2.0
// SEEK_DATA and SEEK_HOLE.
#include <linux/falloc.h>
#include <unistd.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileSeekTest : public DataFixture {
 protected:
  // The answer, or minus the errno.
  int64_t Seek(Ino ino, uint64_t offset, int whence) {
    const auto found = data().Seek(ino, offset, whence);
    return found ? static_cast<int64_t>(*found) : -found.error().code;
  }
};

TEST_F(FileSeekTest, FindsDataAndHoles) {
  const Ino ino = MakeFile();
  WriteAt(ino, 2 * kBlock, Pattern(3 * kBlock));
  WriteAt(ino, 8 * kBlock, "x");
  ASSERT_TRUE(data().Allocate(op(), ino, FALLOC_FL_KEEP_SIZE, 5 * kBlock, kBlock));
  const auto b = [](int64_t blocks) { return blocks * static_cast<int64_t>(kBlock); };
  EXPECT_EQ(Seek(ino, 0, SEEK_DATA), b(2));
  EXPECT_EQ(Seek(ino, 3 * kBlock + 5, SEEK_DATA), b(3) + 5);
  EXPECT_EQ(Seek(ino, 5 * kBlock, SEEK_DATA), b(8));
  EXPECT_EQ(Seek(ino, 0, SEEK_HOLE), 0);
  EXPECT_EQ(Seek(ino, 2 * kBlock + 1, SEEK_HOLE), b(5));
  EXPECT_EQ(Seek(ino, 5 * kBlock + 9, SEEK_HOLE), b(5) + 9);
  EXPECT_EQ(Seek(ino, 8 * kBlock, SEEK_HOLE), b(8) + 1);
  EXPECT_EQ(Seek(ino, 8 * kBlock + 1, SEEK_HOLE), -ENXIO);
}

TEST_F(FileSeekTest, TheEdges) {
  const Ino ino = MakeFile();
  EXPECT_EQ(Seek(ino, 0, SEEK_DATA), -ENXIO);
  EXPECT_EQ(Seek(ino, 0, SEEK_HOLE), -ENXIO);
  ASSERT_TRUE(data().SetSize(op(), ino, 100, false));
  EXPECT_EQ(Seek(ino, 0, SEEK_DATA), -ENXIO);
  EXPECT_EQ(Seek(ino, 50, SEEK_HOLE), 50);
  EXPECT_EQ(Seek(ino, 0, SEEK_SET), -EINVAL);
  EXPECT_EQ(Seek(Ino(kInoRoot), 0, SEEK_DATA), -EISDIR);
}

}  // namespace
}  // namespace holdfast::fsmeta
