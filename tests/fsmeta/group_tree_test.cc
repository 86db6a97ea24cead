// SPDX-License-Identifier: Apache-2.0
// Tests of a group's trees: their roots are kept in the group header, which changes only for them.
#include "fsmeta/group_tree.h"

#include <gtest/gtest.h>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kGroup = 2;
constexpr Pfn kBlock{kGroup * 1024 + 100};

TreeRecord Record(uint64_t i) { return {{{kBlock.value() + i}}, {1 | uint64_t{2} << 32}}; }

class GroupTreeTest : public testing::Test {
 protected:
  Result<GroupTree> Open(Transaction& tx, TreeKind kind = TreeKind::kRefcount) {
    return GroupTree::Open(tx, *rig_.allocator, kind, kBlock, AllocFor::kMetadata);
  }
  uint64_t HeaderSequence() {
    return (*rig_.allocator->ReadGroup(rig_.parts.medium(), kGroup))->header.sequence;
  }
  uint64_t CountOf(TreeKind kind) {
    uint64_t records = 0;
    const auto root = GroupTree::RootOf(rig_.parts.medium(), *rig_.allocator, kind, kGroup);
    EXPECT_TRUE(
        BTree(kind, kGroup).ForEach(rig_.parts.medium(), *root, TreeKey{}, [&](const TreeRecord&) {
          ++records;
          return true;
        }));
    return records;
  }
  SpaceRig rig_;
};

TEST_F(GroupTreeTest, TheRootIsKeptWhereverItMoves) {
  for (uint64_t at = 0; at < 800; at += 100) {
    ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(GroupTree tree, Open(tx));
      for (uint64_t i = at; i < at + 100; ++i) HOLDFAST_TRY(tree.Insert(Record(i)));
      return {};
    }));
    EXPECT_EQ(CountOf(TreeKind::kRefcount), at + 100);
  }
  rig_.Remount();
  EXPECT_EQ(CountOf(TreeKind::kRefcount), 800U);
  EXPECT_EQ(CountOf(TreeKind::kReverseMap), 0U) << "the other tree is another tree";
  const uint64_t free = rig_.free();
  ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(GroupTree tree, Open(tx));
    for (uint64_t i = 0; i < 800; ++i) HOLDFAST_TRY(tree.Erase(Record(i).key));
    return {};
  }));
  EXPECT_EQ(CountOf(TreeKind::kRefcount), 0U);
  EXPECT_GT(rig_.free(), free);
}

TEST_F(GroupTreeTest, AChangeBelowTheRootLeavesTheGroupHeaderAlone) {
  ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(GroupTree tree, Open(tx));
    return tree.Insert(Record(1));
  }));
  const uint64_t sequence = HeaderSequence();
  ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(GroupTree tree, Open(tx));
    HOLDFAST_TRY(tree.Insert(Record(2)));
    HOLDFAST_TRY(tree.Replace(Record(2).key, Record(3)));
    return tree.Update(Record(3));
  }));
  EXPECT_EQ(HeaderSequence(), sequence);
  EXPECT_EQ(CountOf(TreeKind::kRefcount), 2U);
}

TEST_F(GroupTreeTest, AGroupThatIsNoneIsCorruption) {
  const uint64_t groups = rig_.allocator->group_count();
  EXPECT_EQ(GroupTree::RootOf(rig_.parts.medium(), *rig_.allocator, TreeKind::kRefcount, groups)
                .error()
                .code,
            EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
