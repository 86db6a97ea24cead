// SPDX-License-Identifier: Apache-2.0
// Runs of bits across words and bitmap blocks.
#include "fsmeta/group_bitmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;

BlockRun Blocks(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }

FormatOptions GroupsOf(uint64_t blocks) {
  FormatOptions options;
  options.group_blocks = blocks;
  return options;
}

class GroupBitmapTest : public testing::Test {
 protected:
  // One group with two bitmap blocks: 40,000 blocks, of which 32,256 are in the first.
  GroupBitmapTest()
      : parts_(40000 * kBlockSize, GroupsOf(65536)),
        layout_(LayoutOfGroup(parts_.superblock(), 0)),
        bitmap_(0, layout_) {}

  void Change(BlockRun run, bool set) {
    const auto done = parts_.runner().Run(
        [&](Transaction& tx) -> Result<void> { return bitmap_.Change(tx, run, set); });
    ASSERT_TRUE(done) << done.error().Text();
  }
  std::vector<BlockRun> FreeRuns() {
    std::vector<BlockRun> runs;
    const auto done =
        bitmap_.ForEachFreeRun(parts_.medium(), [&](BlockRun run) { runs.push_back(run); });
    EXPECT_TRUE(done) << done.error().Text();
    return runs;
  }
  uint64_t first() { return parts_.first_free().value(); }
  // The copy of the superblock is the last block.
  uint64_t last() { return layout_.blocks.value() - 2; }

  tests::FormattedMedium parts_;
  GroupLayout layout_;
  GroupBitmap bitmap_;
};

TEST_F(GroupBitmapTest, ANewGroupHasOneFreeRunAcrossItsBitmapBlocks) {
  ASSERT_EQ(layout_.bitmap_blocks, BlockCount(2));
  EXPECT_THAT(FreeRuns(), ElementsAre(Blocks(first(), last() - first() + 1)));
}

TEST_F(GroupBitmapTest, ARunMayCrossWordsAndBitmapBlocks) {
  for (const auto& run :
       {Blocks(20000, 1), Blocks(20003, 500), Blocks(32200, 100), Blocks(32300, 64)}) {
    Change(run, true);
    EXPECT_TRUE(*bitmap_.AllBits(parts_.medium(), run, true));
    EXPECT_FALSE(*bitmap_.AllBits(parts_.medium(), run, false));
  }
  EXPECT_TRUE(*bitmap_.AllBits(parts_.medium(), Blocks(20001, 2), false));
  EXPECT_FALSE(*bitmap_.AllBits(parts_.medium(), Blocks(20001, 3), false));
  EXPECT_FALSE(*bitmap_.AllBits(parts_.medium(), Blocks(20001, 3), true));
  EXPECT_THAT(FreeRuns(),
              ElementsAre(Blocks(first(), 20000 - first()), Blocks(20001, 2),
                          Blocks(20503, 32200 - 20503), Blocks(32364, last() + 1 - 32364)));
  Change(Blocks(32200, 164), false);
  Change(Blocks(20003, 500), false);
  Change(Blocks(20000, 1), false);
  EXPECT_THAT(FreeRuns(), ElementsAre(Blocks(first(), last() - first() + 1)));
}

TEST_F(GroupBitmapTest, AFreeBlockPastTheEndIsUnsound) {
  const ObjectId id{ObjectType::kBitmap, ByteOffset(layout_.bitmap + BlockCount(1)), kMetadataBlock,
                    0};
  BitmapBlock block;
  std::memcpy(&block, parts_.region().At(id.offset), sizeof(block));
  const uint64_t bit = layout_.blocks.value() - kBitsPerBitmapBlock;
  block.bits[bit / 64] &= ~(uint64_t{1} << (bit % 64));
  SealObject(&block, id, parts_.medium().uuid(), 1);
  parts_.region().persist().Store(parts_.region().Target(id.offset), &block, sizeof(block));
  const auto done = bitmap_.ForEachFreeRun(parts_.medium(), [](BlockRun) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
