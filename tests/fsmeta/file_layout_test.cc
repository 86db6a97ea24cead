// SPDX-License-Identifier: Apache-2.0
// Layout: every piece, its state and its place, in pages of a few.
#include <linux/falloc.h>

#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

using State = LayoutPiece::State;

class FileLayoutTest : public DataFixture {};

TEST_F(FileLayoutTest, ShowsEveryState) {
  const Ino ino = MakeFile();
  WriteAt(ino, kBlock, Pattern(2 * kBlock));
  const Ino other = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, kBlock, other, 0, kBlock));
  ASSERT_TRUE(data().Allocate(op(), ino, FALLOC_FL_KEEP_SIZE, 4 * kBlock, kBlock));
  const auto pieces = data().Layout(ino, 0, kMaxFileSize, 100);
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 5u);
  const State states[] = {State::kHole, State::kShared, State::kWritten, State::kHole,
                          State::kUnwritten};
  for (uint64_t i = 0; i < 5; ++i) {
    const LayoutPiece& piece = (*pieces)[i];
    EXPECT_EQ(piece.state, states[i]) << i;
    EXPECT_EQ(piece.file_offset, i * kBlock);
    EXPECT_EQ(piece.length, kBlock);
  }
  EXPECT_EQ(MediumAt((*pieces)[2].region_offset, kBlock), Pattern(2 * kBlock).substr(kBlock));
}

TEST_F(FileLayoutTest, ComesInPagesAndEndsWithTheFile) {
  const Ino ino = MakeFile();
  for (uint64_t i = 0; i < 20; ++i) WriteAt(ino, (2 * i + 1) * kBlock, "x");
  std::string seen;
  uint64_t at = 0;
  for (;;) {
    const auto pieces = data().Layout(ino, at, kMaxFileSize - at, 3);
    ASSERT_TRUE(pieces);
    for (const LayoutPiece& piece : *pieces) {
      ASSERT_EQ(piece.file_offset, at);
      at += piece.length;
      seen += piece.state == State::kHole ? 'h' : 'w';
    }
    if (pieces->size() < 3) break;
  }
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "hw";
  EXPECT_EQ(seen, expected);
}

TEST_F(FileLayoutTest, ClipsToTheRange) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(10 * kBlock));
  const auto pieces = data().Layout(ino, 3 * kBlock + 5, kBlock, 10);
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 1u);
  EXPECT_EQ((*pieces)[0].file_offset, 3 * kBlock);
  EXPECT_EQ((*pieces)[0].length, 2 * kBlock);
  EXPECT_EQ((*pieces)[0].region_offset, PlaceOf(ino, 3 * kBlock));
  EXPECT_TRUE(data().Layout(ino, UINT64_MAX, UINT64_MAX, 10)->empty());
  EXPECT_TRUE(data().Layout(ino, 20 * kBlock, kBlock, 10)->empty());
}

}  // namespace
}  // namespace holdfast::fsmeta
