// SPDX-License-Identifier: Apache-2.0
// Who owns a block: every kind of owner is named, and every clone (rule F2).
#include "fsmeta/block_owners.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fsmeta/group_layout.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

using ::testing::ElementsAre;

class BlockOwnersTest : public DataFixture {
 protected:
  // "kind inode file_block+length what" of each use.
  std::vector<std::string> Uses(Pfn start, uint64_t blocks) {
    const auto uses = UsesOf(volume(), start, BlockCount(blocks));
    EXPECT_TRUE(uses) << uses.error().Text();
    std::vector<std::string> lines;
    for (const BlockUse& use : uses.value_or(std::vector<BlockUse>())) {
      lines.push_back(absl::StrFormat("%s %d %d+%d %s", NameOf(use.kind), use.ino.value(),
                                      use.file_block.value(), use.run.length.value(), use.what));
    }
    return lines;
  }
  Pfn BlockOf(Ino ino, uint64_t offset) { return Pfn(PlaceOf(ino, offset) >> kBlockShift); }
};

TEST_F(BlockOwnersTest, F2_EveryCloneOwnsItsPartOfASharedBlock) {
  const Ino file = MakeFile();
  const Ino clone = MakeFile();
  WriteAt(file, 0, Pattern(8 * kBlock));
  WriteAt(clone, 0, Pattern(20 * kBlock));
  ASSERT_TRUE(data().Reflink(op(), file, 2 * kBlock, clone, 10 * kBlock, 3 * kBlock));
  const Pfn first = BlockOf(file, 0);
  EXPECT_THAT(Uses(first + BlockCount(1), 3),
              ElementsAre(absl::StrCat("file ", file.value(), " 1+3 "),
                          absl::StrCat("file ", clone.value(), " 10+2 ")));
  EXPECT_THAT(Uses(first + BlockCount(5), 1),
              ElementsAre(absl::StrCat("file ", file.value(), " 5+1 ")));
}

TEST_F(BlockOwnersTest, F2_TheFilesystemsOwnBlocksAreMetadata) {
  const Superblock& superblock = volume().medium().superblock();
  const GroupLayout group = LayoutOfGroup(superblock, 0);
  EXPECT_THAT(Uses(Pfn(0), 2),
              ElementsAre("metadata 0 0+1 superblock", "metadata 0 0+1 group header"));
  EXPECT_THAT(Uses(group.bitmap, 1), ElementsAre("metadata 0 0+1 bitmap"));
  EXPECT_THAT(Uses(Pfn(superblock.journal_start), superblock.lane_blocks),
              ElementsAre(absl::StrCat("metadata 0 0+", superblock.lane_blocks, " journal")));
  EXPECT_THAT(Uses(Pfn(superblock.block_count - 1), 1),
              ElementsAre("metadata 0 0+1 superblock copy"));
  EXPECT_THAT(Uses(Pfn(superblock.inode_cluster0 + 3), 1),
              ElementsAre(absl::StrCat("metadata ", kInoInodeFile, " 3+1 inodes")));
}

TEST_F(BlockOwnersTest, F2_DirectoriesAndTreesAreMetadataAndTheRestIsFree) {
  ASSERT_TRUE(mounted().MakeDirectory("d"));
  ASSERT_TRUE(mounted().Create("d/a"));
  const Ino directory = *mounted().Find("d");
  const InodeSlot slot = SlotOf(directory);
  const auto extent = volume().extents().Find(volume().medium(), slot, FileBlock(0));
  ASSERT_TRUE(extent && *extent);
  EXPECT_THAT(Uses((*extent)->run.start, 1),
              ElementsAre(absl::StrCat("metadata ", directory.value(), " 0+1 directory")));
  const auto header = volume().allocator().ReadGroup(volume().medium(), 0);
  ASSERT_TRUE(header);
  EXPECT_THAT(Uses(Pfn((*header)->reverse_map.node), 1), ElementsAre("metadata 0 0+1 tree"));
  const Pfn last_free = Pfn(volume().medium().superblock().block_count - 2);
  EXPECT_THAT(Uses(last_free, 1), ElementsAre("free 0 0+1 "));
}

TEST_F(BlockOwnersTest, F2_AllBlocksOfTheRegionHaveExactlyTheUsesThatFsckCounts) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(300 * kBlock));
  const auto uses = UsesOf(volume(), Pfn(0), volume().medium().blocks());
  ASSERT_TRUE(uses) << uses.error().Text();
  uint64_t free = 0;
  Pfn at(0);
  for (const BlockUse& use : *uses) {
    EXPECT_EQ(use.run.start, at);
    at = use.run.end();
    if (use.kind == BlockUse::Kind::kFree) free += use.run.length.value();
  }
  EXPECT_EQ(at, Pfn(0) + volume().medium().blocks());
  EXPECT_EQ(free, FreeBlocks());
}

}  // namespace
}  // namespace holdfast::fsmeta
