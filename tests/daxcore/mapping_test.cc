// SPDX-License-Identifier: Apache-2.0
// Entries of a mapping: rules P7 and E1 to E5, and C1, C4 where entries meet compounds.
#include "daxcore/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::daxcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileRange Blocks(uint64_t start, uint64_t end) { return {FileBlock(start), FileBlock(end)}; }
FileRun Piece(uint64_t index, uint64_t pfn, uint64_t n) {
  return {FileBlock(index), Pfn(pfn), BlockCount(n)};
}

class MappingTest : public testing::Test {
 protected:
  MappingTest() { Make(PageOrder::k1G); }
  ~MappingTest() override {
    a_.reset();
    b_.reset();
    EXPECT_TRUE(table_->FindLeaks().empty());
  }
  void Make(PageOrder geometry) {
    a_.reset();
    b_.reset();
    table_ = *PageTable::Create(BlockCount(1 << 20), geometry);
    a_ = std::make_unique<Mapping>(*table_, *table_->AddMapping(Ino(1)));
    b_ = std::make_unique<Mapping>(*table_, *table_->AddMapping(Ino(2)));
  }
  // All steps; returns the errno that ended them.
  static int Insert(Mapping& mapping, FileRun run, bool shared = false, bool dirty = false) {
    while (run.length > BlockCount(0)) {
      const Progress made = mapping.Insert(run, shared, dirty);
      if (made.code != 0) return made.code;
      run = {run.index + made.done, run.pfn + made.done, run.length - made.done};
    }
    return 0;
  }
  static void Remove(Mapping& mapping, FileRange range, Drop how) {
    while (!range.empty()) range.start = mapping.Remove(range, how);
  }
  static std::vector<EntryRun> List(const Mapping& mapping, FileRange range = kWholeFile) {
    std::vector<EntryRun> list;
    while (const auto run = mapping.Next(range)) {
      list.push_back(*run);
      range.start = run->run.end();
    }
    return list;
  }
  PageInfo At(uint64_t pfn) { return table_->Describe(Pfn(pfn)); }

  std::unique_ptr<PageTable> table_;
  std::unique_ptr<Mapping> a_, b_;
};

TEST_F(MappingTest, E1_AnEntryHasPageOrderAndFlags) {
  ASSERT_EQ(Insert(*a_, Piece(10, 100, 5), false, true), 0);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(10, 100, 5), PageOrder::k4K, kEntryDirty}));
  EXPECT_EQ(At(102).index, FileBlock(12));
  EXPECT_FALSE(a_->Find(FileBlock(15)));
}

TEST_F(MappingTest, E1_RunsThatContinueEachOtherMerge) {
  Insert(*a_, Piece(10, 100, 5));
  Insert(*a_, Piece(20, 110, 5));
  EXPECT_EQ(a_->run_count(), 2U);
  Insert(*a_, Piece(15, 105, 5));
  EXPECT_EQ(a_->run_count(), 1U);
  Insert(*a_, Piece(25, 200, 5));
  EXPECT_EQ(a_->run_count(), 2U) << "other pages do not";
}

TEST_F(MappingTest, C1_PagesAreAsLargeAsAlignmentAndGeometryAllow) {
  // One block before a 2 MiB boundary, two whole pages, one block after.
  ASSERT_EQ(Insert(*a_, Piece(511, 1023, 1026)), 0);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(511, 1023, 1), PageOrder::k4K, 0},
                                     EntryRun{Piece(512, 1024, 1024), PageOrder::k2M, 0},
                                     EntryRun{Piece(1536, 2048, 1), PageOrder::k4K, 0}));
  Make(PageOrder::k4K);
  ASSERT_EQ(Insert(*a_, Piece(512, 1024, 512)), 0);
  EXPECT_EQ(At(1024).order, PageOrder::k4K);
}

TEST_F(MappingTest, C1_OffsetsThatAreOutOfStepGetSmallPages) {
  ASSERT_EQ(Insert(*a_, Piece(513, 1024, 1024)), 0);
  EXPECT_EQ(At(1024).order, PageOrder::k4K);
}

TEST_F(MappingTest, C8_A1GRunIsOneEntryAndNeverMixed) {
  constexpr uint64_t kG = 1 << 18;
  ASSERT_EQ(Insert(*a_, Piece(kG - 512, kG - 512, kG + 512 + 3)), 0);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(kG - 512, kG - 512, 512), PageOrder::k2M, 0},
                                     EntryRun{Piece(kG, kG, kG), PageOrder::k1G, 0},
                                     EntryRun{Piece(2 * kG, 2 * kG, 3), PageOrder::k4K, 0}));
}

TEST_F(MappingTest, P7_PagelessEntriesTouchNoDescriptor) {
  for (const EntryFlags kind : {kEntryZero, kEntryEmpty}) {
    a_->InsertPageless(Blocks(0, 100), kind);
    EXPECT_THAT(table_->FindLeaks(), IsEmpty()) << "page 0 above all";
    Remove(*a_, Blocks(0, 100), Drop::kTruncate);
    EXPECT_EQ(At(0).state, PageState::kIdle);
    EXPECT_EQ(table_->canary_hits(), 0U);
  }
}

TEST_F(MappingTest, P7_PagelessEntriesFillOnlyGaps) {
  Insert(*a_, Piece(10, 100, 5));
  a_->InsertPageless(Blocks(5, 20), kEntryZero);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(5, 0, 5), PageOrder::k4K, kEntryZero},
                                     EntryRun{Piece(10, 100, 5), PageOrder::k4K, 0},
                                     EntryRun{Piece(15, 0, 5), PageOrder::k4K, kEntryZero}));
  FileRange all = kWholeFile;
  EXPECT_FALSE(a_->NextReferenced(all)) << "their flags are tested before any page number is used";
}

TEST_F(MappingTest, P7_APageReplacesAHole) {
  a_->InsertPageless(Blocks(0, 10), kEntryZero);
  ASSERT_EQ(Insert(*a_, Piece(4, 100, 1)), 0);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(0, 0, 4), PageOrder::k4K, kEntryZero},
                                     EntryRun{Piece(4, 100, 1), PageOrder::k4K, 0},
                                     EntryRun{Piece(5, 0, 5), PageOrder::k4K, kEntryZero}));
}

TEST_F(MappingTest, P8_InsertingAgainChangesNothing) {
  Insert(*a_, Piece(10, 100, 5));
  Insert(*b_, Piece(30, 100, 5), true);
  ASSERT_EQ(At(100).share, 2U);
  // The descriptor of a shared page cannot tell who has it; the entry can.
  ASSERT_EQ(Insert(*a_, Piece(10, 100, 5), true), 0);
  EXPECT_EQ(At(100).share, 2U);
}

TEST_F(MappingTest, E2_DirtyIsTheEntrysOwn) {
  Insert(*a_, Piece(10, 100, 5), true, true);
  Insert(*b_, Piece(30, 100, 5), true, false);
  EXPECT_TRUE(a_->Find(FileBlock(12))->dirty());
  EXPECT_FALSE(b_->Find(FileBlock(32))->dirty()) << "the same page through another file";
  ASSERT_EQ(Insert(*b_, Piece(31, 101, 1), true, true), 0);
  EXPECT_FALSE(b_->Find(FileBlock(30))->dirty());
  EXPECT_TRUE(b_->Find(FileBlock(31))->dirty());
}

TEST_F(MappingTest, E3_FlushingPartOfACompoundFlushesItWhole) {
  Insert(*a_, Piece(512, 1024, 1024), false, true);
  EXPECT_EQ(a_->NextDirty(Blocks(700, 701)),
            (EntryRun{Piece(512, 1024, 512), PageOrder::k2M, kEntryDirty}));
  EXPECT_EQ(a_->NextDirty(Blocks(1024, 1025))->run, Piece(1024, 1536, 512));
}

TEST_F(MappingTest, E3_ATouchedCompoundIsDirtyWhole) {
  Insert(*a_, Piece(512, 1024, 1024));
  ASSERT_EQ(Insert(*a_, Piece(600, 1112, 1), false, true), 0);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(512, 1024, 512), PageOrder::k2M, kEntryDirty},
                                     EntryRun{Piece(1024, 1536, 512), PageOrder::k2M, 0}));
}

TEST_F(MappingTest, E3_ABlockThatMovedIsNotFlushed) {
  Insert(*a_, Piece(10, 100, 1), false, true);
  const EntryRun seen = *a_->NextDirty(kWholeFile);
  ASSERT_EQ(Insert(*a_, Piece(10, 200, 1), false, true), 0);
  EXPECT_FALSE(a_->Lock(seen)) << "it is another page now";
  EXPECT_TRUE(a_->Lock(*a_->NextDirty(kWholeFile)));
  a_->Unlock({Piece(10, 200, 1), PageOrder::k4K, 0}, true);
}

TEST_F(MappingTest, E3_ALockedEntryStaysInPlaceUntilItIsUnlocked) {
  Insert(*a_, Piece(10, 100, 3), false, true);
  const EntryRun seen = *a_->NextDirty(Blocks(10, 13));
  ASSERT_TRUE(a_->Lock(seen));
  EXPECT_FALSE(a_->Lock(seen)) << "once";
  EXPECT_EQ(Insert(*a_, Piece(11, 300, 1)), EBUSY);
  a_->Unlock(seen, /*clean=*/true);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(10, 100, 3), PageOrder::k4K, 0}));
  EXPECT_EQ(Insert(*a_, Piece(11, 300, 1)), 0);
}

TEST_F(MappingTest, E3_SinglePagesAreFlushedInBoundedPieces) {
  Insert(*a_, Piece(1, 1000, 2000), false, true);
  EXPECT_EQ(a_->NextDirty(kWholeFile)->run, Piece(1, 1000, 512));
  EXPECT_EQ(a_->NextDirty(Blocks(600, 603))->run, Piece(600, 1599, 3));
}

TEST_F(MappingTest, E4_InvalidationLeavesDirtyEntriesTruncationDropsThem) {
  Insert(*a_, Piece(10, 100, 5));
  Insert(*a_, Piece(15, 105, 5), false, true);
  Remove(*a_, kWholeFile, Drop::kInvalidate);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(15, 105, 5), PageOrder::k4K, kEntryDirty}));
  EXPECT_EQ(At(100).state, PageState::kIdle);
  EXPECT_EQ(At(105).state, PageState::kOwned);
  Remove(*a_, kWholeFile, Drop::kTruncate);
  EXPECT_TRUE(a_->empty());
  EXPECT_EQ(At(105).state, PageState::kIdle);
}

TEST_F(MappingTest, E5_AChangeOfPageDisassociatesTheOldFirst) {
  Insert(*a_, Piece(10, 100, 5));
  ASSERT_EQ(Insert(*a_, Piece(12, 200, 2)), 0);
  EXPECT_EQ(At(102).state, PageState::kIdle);
  EXPECT_EQ(At(200).index, FileBlock(12));
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(10, 100, 2), PageOrder::k4K, 0},
                                     EntryRun{Piece(12, 200, 2), PageOrder::k4K, 0},
                                     EntryRun{Piece(14, 104, 1), PageOrder::k4K, 0}));
  // Old before new: a file whose blocks changed places never counts a page twice.
  ASSERT_EQ(Insert(*a_, Piece(10, 101, 1), true), 0);
  EXPECT_EQ(At(100).state, PageState::kIdle);
}

TEST_F(MappingTest, E5_AChangeOfSizeDisassociatesTheOldFirst) {
  Insert(*a_, Piece(512, 1024, 512));
  ASSERT_EQ(At(1024).order, PageOrder::k2M);
  Remove(*a_, kWholeFile, Drop::kInvalidate);
  ASSERT_EQ(Insert(*a_, Piece(513, 1024, 512)), 0);
  EXPECT_EQ(At(1024).order, PageOrder::k4K);
  EXPECT_EQ(At(1024).index, FileBlock(513));
}

TEST_F(MappingTest, C4_RemovingPartOfACompoundSplitsItFirst) {
  Insert(*a_, Piece(512, 1024, 1024));
  Remove(*a_, Blocks(600, 610), Drop::kTruncate);
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(512, 1024, 88), PageOrder::k4K, 0},
                                     EntryRun{Piece(610, 1122, 414), PageOrder::k4K, 0},
                                     EntryRun{Piece(1024, 1536, 512), PageOrder::k2M, 0}));
  EXPECT_EQ(At(1112).state, PageState::kIdle);
  EXPECT_EQ(At(1122).index, FileBlock(610));
  EXPECT_EQ(At(1536).order, PageOrder::k2M);
}

TEST_F(MappingTest, C4_PartOfA1GPageLeavesAsLittleAsPossible) {
  constexpr uint64_t kG = 1 << 18;
  Insert(*a_, Piece(0, kG, kG));
  ASSERT_EQ(At(kG).order, PageOrder::k1G);
  Remove(*a_, Blocks(1000, 1001), Drop::kTruncate);
  EXPECT_EQ(At(kG).order, PageOrder::k2M);
  EXPECT_EQ(At(kG + 999).order, PageOrder::k4K);
  EXPECT_EQ(At(kG + 1000).state, PageState::kIdle);
  EXPECT_EQ(At(kG + 1024).order, PageOrder::k2M);
  EXPECT_EQ(At(kG + 100000).index, FileBlock(AlignDown(100000, 512)));
}

TEST_F(MappingTest, C4_ACloneThatMapsPartOfACompoundSplitsIt) {
  Insert(*a_, Piece(512, 1024, 512), true);
  ASSERT_EQ(Insert(*b_, Piece(3, 1030, 4), true), 0);
  EXPECT_EQ(At(1030).share, 2U);
  EXPECT_EQ(At(1029).state, PageState::kOwned);
  EXPECT_EQ(At(1029).index, FileBlock(517));
  // And the first file can still let go of what it mapped as one.
  Remove(*a_, kWholeFile, Drop::kTruncate);
  EXPECT_EQ(At(1030).share, 1U);
  EXPECT_EQ(At(1029).state, PageState::kIdle);
}

TEST_F(MappingTest, C4_ACloneJoinsSmallPagesAsTheyAre) {
  Insert(*a_, Piece(1, 1030, 2), true);  // small pages inside what could be a 2 MiB page
  ASSERT_EQ(Insert(*b_, Piece(512, 1024, 1024), true), 0);
  EXPECT_EQ(At(1030).share, 2U);
  EXPECT_EQ(At(1024).order, PageOrder::k4K);
  EXPECT_EQ(At(1536).order, PageOrder::k2M) << "only where it must be";
}

TEST_F(MappingTest, C4_ACloneOfAWholeCompoundSharesItWhole) {
  Insert(*a_, Piece(512, 1024, 512), true);
  ASSERT_EQ(Insert(*b_, Piece(0, 1024, 512), true), 0);
  EXPECT_EQ(At(1024).order, PageOrder::k2M);
  EXPECT_EQ(At(1024).share, 2U);
}

TEST_F(MappingTest, L3_ReferencedPagesComeInIndexOrder) {
  Insert(*a_, Piece(10, 500, 10));
  Insert(*a_, Piece(30, 100, 10));  // later in the file, earlier in the region
  table_->Get({Pfn(105), BlockCount(2)}, Reference::kPin);
  table_->Get({Pfn(507), BlockCount(1)}, Reference::kPin);
  FileRange rest = Blocks(0, 36);
  EXPECT_EQ(a_->NextReferenced(rest), Piece(17, 507, 1));
  EXPECT_EQ(a_->NextReferenced(rest), Piece(35, 105, 1)) << "cut at the end of the range";
  EXPECT_TRUE(rest.empty() || !a_->NextReferenced(rest));
  table_->Put({Pfn(105), BlockCount(2)}, Reference::kPin);
  table_->Put({Pfn(507), BlockCount(1)}, Reference::kPin);
}

TEST_F(MappingTest, C7_LongWorkIsDoneInBoundedSteps) {
  constexpr BlockCount kStep(PageTable::kBatch);
  EXPECT_EQ(a_->Insert(Piece(1, 1000, 5000), false, false).done, kStep);
  ASSERT_EQ(Insert(*a_, Piece(1, 1000, 5000)), 0);
  EXPECT_EQ(a_->Remove(kWholeFile, Drop::kTruncate), FileBlock(1) + kStep);
  EXPECT_EQ(At(1000 + kStep.value() - 1).state, PageState::kIdle);
  EXPECT_EQ(At(1000 + kStep.value()).state, PageState::kOwned);
  // Steps are counted in pages, not in their blocks.
  ASSERT_EQ(Insert(*b_, Piece(0, 1 << 18, 1 << 18)), 0);
  EXPECT_EQ(b_->Remove(Blocks(0, 1 << 18), Drop::kTruncate), FileBlock(1 << 18));
}

TEST_F(MappingTest, HandOverTakesWhatIsMappedAndNothingElse) {
  Insert(*a_, Piece(10, 100, 10), false, true);
  const MappingId to = *table_->AddMapping(Ino(4));
  EXPECT_THAT(a_->HandOver(Piece(15, 105, 20), to), ElementsAre(PfnRange{Pfn(105), BlockCount(5)}));
  EXPECT_EQ(At(105).owner, Ino(4));
  EXPECT_THAT(List(*a_), ElementsAre(EntryRun{Piece(10, 100, 5), PageOrder::k4K, kEntryDirty}));
  table_->Disassociate(to, {FileBlock(105), Pfn(105), BlockCount(5)}, Disassociation::kInvalidate);
}

TEST_F(MappingTest, AnUnsharedPageOfAnotherFileIsAnInconsistency) {
  Insert(*a_, Piece(10, 100, 5));
  const Progress made = b_->Insert(Piece(0, 98, 5), false, false);
  EXPECT_EQ(made.done, BlockCount(2)) << "up to it";
  EXPECT_EQ(b_->Insert(Piece(2, 100, 3), false, false).code, EUCLEAN);
}

}  // namespace
}  // namespace holdfast::daxcore
