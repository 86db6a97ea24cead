// SPDX-License-Identifier: Apache-2.0
// Write plans: which way each piece goes.
#include "fsmeta/write_plan.h"

#include "absl/strings/str_cat.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class WritePlanTest : public DataFixture {
 protected:
  using DataFixture::DataFixture;

  // "i2 f1": two blocks in place, then one into a hole. Checks that the plan has no gaps.
  std::string Plan(Ino ino, uint64_t from, uint64_t to) {
    const InodeSlot slot = SlotOf(ino);
    const auto plan = PlanWrite(volume(), slot, {FileBlock(from), FileBlock(to)});
    EXPECT_TRUE(plan);
    std::string text;
    FileBlock at(from);
    for (const WritePiece& piece : *plan) {
      EXPECT_EQ(piece.range.start, at);
      at = piece.range.end;
      if (piece.way != WriteWay::kFill) {
        EXPECT_EQ(ByteOffset(piece.old), PlaceOf(ino, ByteOffset(piece.range.start)));
      }
      constexpr char kLetters[] = {'i', 'c', 'f', 'r'};
      absl::StrAppend(&text, text.empty() ? "" : " ",
                      std::string(1, kLetters[static_cast<int>(piece.way)]),
                      piece.range.length().value());
    }
    EXPECT_EQ(at, FileBlock(to));
    return text;
  }

  // Blocks: 2 written, 2 holes, 3 unwritten, 4 written.
  Ino MakeMixed() {
    const Ino ino = MakeFile();
    WriteAt(ino, 0, Pattern(2 * kBlock));
    WriteAt(ino, 7 * kBlock, Pattern(4 * kBlock));
    EXPECT_TRUE(data().Allocate(op(), ino, 0, 4 * kBlock, 3 * kBlock));
    return ino;
  }
};

class WritePlanCowTest : public WritePlanTest {
 protected:
  WritePlanCowTest() : WritePlanTest(16 * kMiB, DataMode::kCow) {}
};

TEST_F(WritePlanTest, EveryKindOfBlock) {
  const Ino ino = MakeMixed();
  EXPECT_EQ(Plan(ino, 0, 11), "i2 f2 c3 i4");
  EXPECT_EQ(Plan(ino, 1, 6), "i1 f2 c2");
  EXPECT_EQ(Plan(ino, 9, 20), "i2 f9");
  EXPECT_EQ(Plan(ino, 50, 51), "f1");
}

TEST_F(WritePlanTest, SharedBlocksAreReplacedUntilTheyAreOursAgain) {
  const Ino ino = MakeMixed();
  const Ino other = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), ino, 8 * kBlock, other, 0, 2 * kBlock));
  EXPECT_EQ(Plan(ino, 0, 11), "i2 f2 c3 i1 r2 i1");
  ASSERT_TRUE(data().SetSize(op(), other, kBlock, false));
  EXPECT_EQ(Plan(ino, 0, 11), "i2 f2 c3 i1 r1 i2");
}

TEST_F(WritePlanCowTest, NothingWrittenIsTouched) {
  EXPECT_EQ(Plan(MakeMixed(), 0, 11), "r2 f2 c3 r4");
}

TEST(WritePlan, ReplacedPartIsTheHullOfWhatIsReplaced) {
  const auto piece = [](uint64_t from, uint64_t to, WriteWay way) {
    return WritePiece{{FileBlock(from), FileBlock(to)}, Pfn(9), way};
  };
  WritePlan plan{piece(0, 2, WriteWay::kInPlace), piece(2, 3, WriteWay::kInPlace)};
  EXPECT_TRUE(ReplacedPart(plan).empty());
  EXPECT_TRUE(IsInPlace(plan));
  plan = {piece(0, 2, WriteWay::kInPlace), piece(2, 4, WriteWay::kReplace),
          piece(4, 5, WriteWay::kFill), piece(5, 6, WriteWay::kReplace),
          piece(6, 9, WriteWay::kConvert)};
  EXPECT_EQ(ReplacedPart(plan), (FileRange{FileBlock(2), FileBlock(6)}));
  EXPECT_FALSE(IsInPlace(plan));
}

}  // namespace
}  // namespace holdfast::fsmeta
