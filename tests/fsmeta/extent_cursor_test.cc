// SPDX-License-Identifier: Apache-2.0
// Tests of walking over extents, inline and in a tree, also where the slot is corrupt.
#include "fsmeta/extent_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>

#include "tests/fsmeta/space_rig.h"
#include "tests/support/quiet_log.h"

namespace holdfast::fsmeta {
namespace {

constexpr Ino kIno{20};
constexpr uint64_t kBase = 3 * 1024 + 16;

Extent MakeExtent(uint64_t file_block, uint64_t block, uint64_t length) {
  return {FileBlock(file_block), {Pfn(kBase + block), BlockCount(length)}, 0};
}

// `GetParam()` extents of two blocks, at file blocks 10, 20, ...
class ExtentCursorTest : public testing::TestWithParam<uint64_t> {
 protected:
  ExtentCursorTest() {
    EXPECT_TRUE(rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      for (uint64_t i = 1; i <= GetParam(); ++i) {
        HOLDFAST_TRY(rig_.map->Insert(tx, slot, At(i), AllocFor::kData));
      }
      return {};
    }));
  }
  static Extent At(uint64_t i) { return MakeExtent(i * 10, i * 3, 2); }
  ExtentCursor Cursor() { return {rig_.parts.medium(), *rig_.allocator, rig_.Slot(kIno)}; }

  SpaceRig rig_;
};

INSTANTIATE_TEST_SUITE_P(Extents, ExtentCursorTest, testing::Values(1, 10, 11, 300),
                         testing::PrintToStringParamName());

TEST_P(ExtentCursorTest, StepsForthAndBack) {
  ExtentCursor cursor = Cursor();
  ASSERT_TRUE(*cursor.SeekAtLeast(FileBlock(0)));
  for (uint64_t i = 1; i <= GetParam(); ++i) {
    ASSERT_EQ(cursor.extent(), At(i));
    ASSERT_EQ(*cursor.Next(), i < GetParam());
  }
  ASSERT_TRUE(*cursor.SeekAtMost(FileBlock(~uint64_t{0})));
  for (uint64_t i = GetParam(); i > 0; --i) {
    ASSERT_EQ(cursor.extent(), At(i));
    ASSERT_EQ(*cursor.Previous(), i > 1);
  }
}

TEST_P(ExtentCursorTest, SeeksAroundEachExtent) {
  ExtentCursor cursor = Cursor();
  for (uint64_t i = 1; i <= GetParam(); ++i) {
    const FileBlock at(i * 10);
    ASSERT_TRUE(*cursor.SeekAtMost(at));
    ASSERT_EQ(cursor.extent(), At(i));
    ASSERT_TRUE(*cursor.SeekAtLeast(at));
    ASSERT_EQ(cursor.extent(), At(i));
    ASSERT_TRUE(*cursor.SeekEndingAfter(at + BlockCount(1)));
    ASSERT_EQ(cursor.extent(), At(i));
    ASSERT_EQ(*cursor.SeekEndingAfter(at + BlockCount(2)), i < GetParam());
    ASSERT_EQ(*cursor.SeekAtMost(at - BlockCount(1)), i > 1);
    ASSERT_EQ(*cursor.SeekAtLeast(at + BlockCount(1)), i < GetParam());
  }
}

class CorruptSlotTest : public testing::Test {
 protected:
  // A slot with these extents inline.
  InodeSlot SlotWith(const std::vector<ExtentRecord>& records) {
    InodeSlot slot{};
    slot.header.owner = kIno.value();
    slot.data_form = static_cast<uint8_t>(DataForm::kExtents);
    slot.inline_count = static_cast<uint8_t>(records.size());
    std::ranges::copy(std::as_bytes(std::span(records)),
                      reinterpret_cast<std::byte*>(slot.inline_area));
    return slot;
  }
  // Walking up and down over `slot` comes to an end, with EUCLEAN.
  void ExpectCorrupt(const InodeSlot& slot) {
    for (const bool up : {true, false}) {
      ExtentCursor cursor(rig_.parts.medium(), *rig_.allocator, slot);
      auto more =
          up ? cursor.SeekAtLeast(FileBlock(0)) : cursor.SeekAtMost(FileBlock(kMaxFileBlocks));
      int steps = 0;
      while (more && *more && ++steps < 100) more = up ? cursor.Next() : cursor.Previous();
      ASSERT_EQ(more ? 0 : more.error().code, EUCLEAN);
    }
  }
  tests::QuietLog quiet_;
  SpaceRig rig_;
};

TEST_F(CorruptSlotTest, UnknownForms) {
  InodeSlot slot = SlotWith({});
  slot.data_form = 4;
  ExpectCorrupt(slot);
  slot.data_form = 255;
  ExpectCorrupt(slot);
}

TEST_F(CorruptSlotTest, MoreInlineExtentsThanFit) {
  InodeSlot slot = SlotWith({ToInline(MakeExtent(0, 0, 1))});
  for (const int count : {11, 255}) {
    slot.inline_count = static_cast<uint8_t>(count);
    ExpectCorrupt(slot);
  }
}

TEST_F(CorruptSlotTest, InlineExtentsThatOverlap) {
  ExpectCorrupt(SlotWith({ToInline(MakeExtent(0, 0, 10)), ToInline(MakeExtent(5, 20, 10))}));
  ExpectCorrupt(SlotWith({ToInline(MakeExtent(0, 0, 10)), ToInline(MakeExtent(0, 0, 10))}));
}

TEST_F(CorruptSlotTest, UnsoundInlineExtents) {
  ExpectCorrupt(SlotWith({{0, kBase, 0, 0}}));
  ExpectCorrupt(SlotWith({{0, 1, 1, 0}}));
  ExpectCorrupt(SlotWith({{0, kBase, 1, 8}}));
}

TEST_F(CorruptSlotTest, ARootThatIsNone) {
  InodeSlot slot = SlotWith({});
  slot.data_form = static_cast<uint8_t>(DataForm::kTree);
  for (const TreeRoot root :
       {TreeRoot{0, 1, 1}, TreeRoot{5, 0, 1}, TreeRoot{kBase, 1, 1}, TreeRoot{kBase, 99, 1},
        TreeRoot{kBase, 1, 2}, TreeRoot{~uint64_t{0}, 1, 1}}) {
    slot.extents = root;
    ExpectCorrupt(slot);
  }
}

TEST_F(CorruptSlotTest, TreeRecordsThatOverlapOrAreUnsound) {
  for (const TreeRecord& bad :
       {ToTreeRecord(MakeExtent(15, 40, 10)), TreeRecord{{{15}}, {kBase, 0}},
        TreeRecord{{{15}}, {kBase, 1 | uint64_t{2} << 32}}, TreeRecord{{{15}}, {1, 1}}}) {
    ASSERT_TRUE(rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      AllocatorNodeSpace space(*rig_.allocator, Pfn(0), AllocFor::kMetadata);
      const BTree tree(TreeKind::kExtents, kIno.value());
      slot->data_form = static_cast<uint8_t>(DataForm::kTree);
      slot->extents = {};
      HOLDFAST_TRY(tree.Insert(tx, &slot->extents, ToTreeRecord(MakeExtent(10, 0, 8)), space));
      HOLDFAST_TRY(tree.Insert(tx, &slot->extents, bad, space));
      return tree.Insert(tx, &slot->extents, ToTreeRecord(MakeExtent(30, 60, 8)), space);
    }));
    ExpectCorrupt(rig_.Slot(kIno));
  }
}

TEST_F(CorruptSlotTest, BytesAreNoExtents) {
  InodeSlot slot = SlotWith({});
  slot.data_form = static_cast<uint8_t>(DataForm::kBytes);
  slot.inline_count = 99;
  ExtentCursor cursor(rig_.parts.medium(), *rig_.allocator, slot);
  EXPECT_FALSE(*cursor.SeekAtLeast(FileBlock(0)));
  EXPECT_FALSE(*cursor.SeekAtMost(FileBlock(5)));
}

}  // namespace
}  // namespace holdfast::fsmeta
