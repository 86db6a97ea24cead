// SPDX-License-Identifier: Apache-2.0
// Tests of storing extents where the slot is not what the caller thinks.
#include "fsmeta/extent_records.h"

#include <gtest/gtest.h>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

constexpr Ino kIno{20};
constexpr uint64_t kBase = 3 * 1024 + 16;

Extent MakeExtent(uint64_t file_block, uint64_t length) {
  return {FileBlock(file_block), {Pfn(kBase + file_block), BlockCount(length)}, 0};
}

class ExtentRecordsTest : public testing::TestWithParam<uint64_t> {
 protected:
  // Runs body(records) on a slot with GetParam() extents at file blocks 0, 10, 20, ...
  template <typename F>
  int CodeOf(F&& body) {
    const auto done = rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      ExtentRecords records(tx, *rig_.allocator, slot, AllocFor::kMetadata);
      for (uint64_t i = 0; i < GetParam(); ++i) {
        if (auto put = records.Insert(MakeExtent(i * 10, 2)); !put) return put;
      }
      if (auto changed = body(records); !changed) return changed;
      return Fail(ECANCELED);
    });
    return done.error().code;
  }
  SpaceRig rig_;
};

INSTANTIATE_TEST_SUITE_P(Extents, ExtentRecordsTest, testing::Values(3, 20),
                         testing::PrintToStringParamName());

TEST_P(ExtentRecordsTest, WhatIsThereCanBeChanged) {
  EXPECT_EQ(CodeOf([](ExtentRecords& r) { return r.Erase(MakeExtent(10, 2)); }), ECANCELED);
  EXPECT_EQ(
      CodeOf([](ExtentRecords& r) { return r.Replace(MakeExtent(10, 2), MakeExtent(11, 1)); }),
      ECANCELED);
  EXPECT_EQ(CodeOf([](ExtentRecords& r) { return r.Insert(MakeExtent(5, 2)); }), ECANCELED);
}

TEST_P(ExtentRecordsTest, WhatIsNotThereIsCorruption) {
  EXPECT_EQ(CodeOf([](ExtentRecords& r) { return r.Erase(MakeExtent(11, 2)); }), EUCLEAN);
  EXPECT_EQ(CodeOf([](ExtentRecords& r) { return r.Erase(MakeExtent(1000, 2)); }), EUCLEAN);
  EXPECT_EQ(
      CodeOf([](ExtentRecords& r) { return r.Replace(MakeExtent(12, 2), MakeExtent(13, 1)); }),
      EUCLEAN);
}

TEST_P(ExtentRecordsTest, ASlotOfBytesTakesNoExtents) {
  const auto done = rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
    slot->data_form = static_cast<uint8_t>(DataForm::kBytes);
    return ExtentRecords(tx, *rig_.allocator, slot, AllocFor::kData).Insert(MakeExtent(0, 1));
  });
  EXPECT_EQ(done.error().code, EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
