// SPDX-License-Identifier: Apache-2.0
// Tests of reference counts against a count per block.
#include "fsmeta/refcounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "fsmeta/btree.h"
#include "fsmeta/group_tree.h"
#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;

constexpr uint64_t kGroup = 2;
constexpr uint64_t kStart = kGroup * 1024 + 16;  // clear of the group's own metadata
constexpr uint64_t kBlocks = 900;

BlockRun Blocks(uint64_t start, uint64_t length) {
  return {Pfn(kStart + start), BlockCount(length)};
}
CountedRun Counted(uint64_t start, uint64_t length, uint32_t count) {
  return {Blocks(start, length), count};
}

class RefcountsTest : public testing::Test {
 protected:
  Result<void> Increment(BlockRun run) {
    return rig_.Run(
        [&](Transaction& tx) { return rig_.refcounts->Increment(tx, run, AllocFor::kMetadata); });
  }
  Result<std::vector<BlockRun>> Decrement(BlockRun run) {
    std::vector<BlockRun> freed;
    const auto done = rig_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(const auto runs, rig_.refcounts->Decrement(tx, run));
      freed.assign(runs.begin(), runs.end());
      return {};
    });
    if (!done) return std::unexpected(done.error());
    return freed;
  }
  std::vector<CountedRun> Lookup(BlockRun run) {
    const auto pieces = rig_.refcounts->Lookup(rig_.parts.medium(), run);
    EXPECT_TRUE(pieces) << pieces.error().Text();
    return {pieces->begin(), pieces->end()};
  }
  // Everything stored for the group.
  std::vector<CountedRun> Stored() {
    std::vector<CountedRun> found;
    const auto root =
        GroupTree::RootOf(rig_.parts.medium(), *rig_.allocator, TreeKind::kRefcount, kGroup);
    EXPECT_TRUE(BTree(TreeKind::kRefcount, kGroup)
                    .ForEach(rig_.parts.medium(), *root, TreeKey{}, [&](const TreeRecord& record) {
                      found.push_back(ToCountedRun(record));
                      return true;
                    }));
    return found;
  }

  SpaceRig rig_;
};

TEST_F(RefcountsTest, ABlockWithoutARecordCountsOne) {
  EXPECT_THAT(Lookup(Blocks(0, 10)), ElementsAre(Counted(0, 10, 1)));
  EXPECT_THAT(*Decrement(Blocks(0, 10)), ElementsAre(Blocks(0, 10)));
  EXPECT_TRUE(Stored().empty());
}

TEST_F(RefcountsTest, SharingAndUnsharingAWholeRun) {
  ASSERT_TRUE(Increment(Blocks(0, 10)));
  ASSERT_TRUE(Increment(Blocks(0, 10)));
  EXPECT_THAT(Lookup(Blocks(0, 10)), ElementsAre(Counted(0, 10, 3)));
  EXPECT_TRUE(Decrement(Blocks(0, 10))->empty());
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 10, 2)));
  EXPECT_TRUE(Decrement(Blocks(0, 10))->empty());
  EXPECT_TRUE(Stored().empty());
  EXPECT_THAT(*Decrement(Blocks(0, 10)), ElementsAre(Blocks(0, 10)));
}

TEST_F(RefcountsTest, PartsSplitAndMergeAgain) {
  ASSERT_TRUE(Increment(Blocks(0, 30)));
  ASSERT_TRUE(Increment(Blocks(10, 10)));
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 10, 2), Counted(10, 10, 3), Counted(20, 10, 2)));
  EXPECT_THAT(Lookup(Blocks(5, 50)), ElementsAre(Counted(5, 5, 2), Counted(10, 10, 3),
                                                 Counted(20, 10, 2), Counted(30, 25, 1)));
  EXPECT_TRUE(Decrement(Blocks(10, 10))->empty());
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 30, 2)));
  EXPECT_TRUE(Decrement(Blocks(10, 10))->empty());
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 10, 2), Counted(20, 10, 2)));
  EXPECT_THAT(*Decrement(Blocks(5, 20)), ElementsAre(Blocks(10, 10)));
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 5, 2), Counted(25, 5, 2)));
}

TEST_F(RefcountsTest, NeighboursOfEqualCountAreOneRecord) {
  ASSERT_TRUE(Increment(Blocks(0, 10)));
  ASSERT_TRUE(Increment(Blocks(20, 10)));
  ASSERT_TRUE(Increment(Blocks(10, 10)));
  EXPECT_THAT(Stored(), ElementsAre(Counted(0, 30, 2)));
}

TEST_F(RefcountsTest, LookupFirstEndsWhereTheCountChanges) {
  ASSERT_TRUE(Increment(Blocks(10, 10)));
  Medium& medium = rig_.parts.medium();
  EXPECT_EQ(*rig_.refcounts->LookupFirst(medium, Blocks(0, 50)), Counted(0, 10, 1));
  EXPECT_EQ(*rig_.refcounts->LookupFirst(medium, Blocks(12, 50)), Counted(12, 8, 2));
  EXPECT_EQ(*rig_.refcounts->LookupFirst(medium, Blocks(12, 3)), Counted(12, 3, 2));
  EXPECT_EQ(*rig_.refcounts->LookupFirst(medium, Blocks(20, 50)), Counted(20, 50, 1));
}

TEST_F(RefcountsTest, RandomChangesAgreeWithACountPerBlock) {
  std::mt19937_64 random(31);
  std::vector<uint32_t> model(kBlocks, 1);
  for (int round = 0; round < 400; ++round) {
    std::vector<uint32_t> next = model;
    const bool abort = random() % 5 == 0;
    const auto done = rig_.Run([&](Transaction& tx) -> Result<void> {
      for (int step = 0; step < 20; ++step) {
        const uint64_t start = random() % kBlocks;
        const uint64_t length = 1 + random() % std::min<uint64_t>(kBlocks - start, 60);
        const bool up = random() % 2 == 0;
        std::vector<bool> gone(kBlocks);
        for (uint64_t i = start; i < start + length; ++i) {
          gone[i] = !up && next[i] == 1;
          next[i] = gone[i] ? 1 : up ? next[i] + 1 : next[i] - 1;  // what is freed starts anew
        }
        if (up) {
          HOLDFAST_TRY(rig_.refcounts->Increment(tx, Blocks(start, length), AllocFor::kMetadata));
          continue;
        }
        HOLDFAST_ASSIGN(const auto freed, rig_.refcounts->Decrement(tx, Blocks(start, length)));
        for (const BlockRun& run : freed) {
          for (uint64_t i = 0; i < run.length.value(); ++i) {
            const uint64_t at = run.start.value() - kStart + i;
            EXPECT_TRUE(gone[at]);
            gone[at] = false;
          }
        }
        EXPECT_EQ(std::ranges::count(gone, true), 0);
      }
      return abort ? Result<void>(Fail(ECANCELED)) : Result<void>();
    });
    ASSERT_EQ(done.has_value(), !abort);
    if (!abort) model = std::move(next);
    uint64_t at = 0;
    for (const CountedRun& piece : Lookup(Blocks(0, kBlocks))) {
      ASSERT_EQ(piece.run.start, Pfn(kStart + at));
      for (uint64_t i = 0; i < piece.run.length.value(); ++i) ASSERT_EQ(piece.count, model[at + i]);
      at += piece.run.length.value();
    }
    ASSERT_EQ(at, kBlocks);
    const std::vector<CountedRun> stored = Stored();
    for (size_t i = 0; i < stored.size(); ++i) {
      EXPECT_GE(stored[i].count, 2U);
      if (i == 0) continue;
      EXPECT_TRUE(stored[i].run.start > stored[i - 1].run.end() ||
                  (stored[i].run.start == stored[i - 1].run.end() &&
                   stored[i].count != stored[i - 1].count))
          << "records overlap, or should be one";
    }
  }
}

TEST_F(RefcountsTest, TheLargestCountIsEmlink) {
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(GroupTree tree, GroupTree::Open(tx, *rig_.allocator, TreeKind::kRefcount,
                                                    Pfn(kStart), AllocFor::kMetadata));
    return tree.Insert(ToTreeRecord(Counted(5, 2, kMost)));
  }));
  EXPECT_EQ(Increment(Blocks(0, 10)).error().code, EMLINK);
  EXPECT_TRUE(Decrement(Blocks(5, 1)));
  EXPECT_THAT(Stored(), ElementsAre(Counted(5, 1, kMost - 1), Counted(6, 1, kMost)));
}

TEST_F(RefcountsTest, WhatIsNoRunIsCorruption) {
  for (const BlockRun run :
       {Blocks(0, 0), Blocks(0, 2000), BlockRun{Pfn(0), BlockCount(1)},
        BlockRun{Pfn(~uint64_t{0}), BlockCount(2)}, BlockRun{Pfn(1), BlockCount(~uint64_t{0})},
        BlockRun{Pfn(uint64_t{1} << 50), BlockCount(1)}}) {
    EXPECT_EQ(Increment(run).error().code, EUCLEAN);
    EXPECT_EQ(Decrement(run).error().code, EUCLEAN);
    EXPECT_EQ(rig_.refcounts->Lookup(rig_.parts.medium(), run).error().code, EUCLEAN);
    EXPECT_EQ(rig_.refcounts->LookupFirst(rig_.parts.medium(), run).error().code, EUCLEAN);
  }
}

TEST_F(RefcountsTest, UnsoundRecordsAreCorruption) {
  const TreeRecord sound = ToTreeRecord(Counted(10, 10, 2));
  std::vector<TreeRecord> unsound(5, sound);
  unsound[0].value[0] = 10;                                        // a count of none
  unsound[1].value[0] = 10 | uint64_t{1} << 32;                    // a count of one
  unsound[2].value[0] = uint64_t{2} << 32;                         // no length
  unsound[3].value[0] = 5000 | uint64_t{2} << 32;                  // beyond the group
  unsound[4].value[0] = uint64_t{0xffffffff} | uint64_t{2} << 32;  // beyond everything
  for (const TreeRecord& record : unsound) {
    SpaceRig rig;
    ASSERT_TRUE(rig.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(GroupTree tree, GroupTree::Open(tx, *rig.allocator, TreeKind::kRefcount,
                                                      Pfn(kStart), AllocFor::kMetadata));
      return tree.Insert(record);
    }));
    EXPECT_EQ(rig.refcounts->Lookup(rig.parts.medium(), Blocks(12, 1)).error().code, EUCLEAN);
    EXPECT_EQ(rig.Run([&](Transaction& tx) -> Result<void> {
                   HOLDFAST_TRY(rig.refcounts->Decrement(tx, Blocks(12, 4)));
                   return {};
                 })
                  .error()
                  .code,
              EUCLEAN);
  }
}

TEST_F(RefcountsTest, OverlappingRecordsAreCorruption) {
  ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(GroupTree tree, GroupTree::Open(tx, *rig_.allocator, TreeKind::kRefcount,
                                                    Pfn(kStart), AllocFor::kMetadata));
    HOLDFAST_TRY(tree.Insert(ToTreeRecord(Counted(10, 10, 2))));
    return tree.Insert(ToTreeRecord(Counted(15, 10, 2)));
  }));
  EXPECT_EQ(Increment(Blocks(12, 10)).error().code, EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
