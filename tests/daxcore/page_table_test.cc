// SPDX-License-Identifier: Apache-2.0
// Every transition of the page descriptors (semantics sections 1 and 2).
#include "daxcore/page_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

namespace holdfast::daxcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr BlockCount kOne(1);
constexpr BlockCount k2MBlocks = BlocksOf(PageOrder::k2M);
constexpr BlockCount k1GBlocks = BlocksOf(PageOrder::k1G);

class PageTableTest : public testing::Test {
 protected:
  void SetUp() override {
    table_ = *PageTable::Create(BlockCount(3 * k1GBlocks.value()), PageOrder::k1G);
    a_ = *table_->AddMapping(Ino(100));
    b_ = *table_->AddMapping(Ino(200));
    c_ = *table_->AddMapping(Ino(300));
  }

  Progress Associate(MappingId m, uint64_t pfn, uint64_t index, uint64_t n = 1,
                     PageOrder order = PageOrder::k4K, bool shared = true) {
    return table_->Associate(m, {FileBlock(index), Pfn(pfn), BlockCount(n)}, order, shared);
  }
  void Disassociate(MappingId m, uint64_t pfn, uint64_t index, uint64_t n = 1,
                    Disassociation why = Disassociation::kInvalidate) {
    table_->Disassociate(m, {FileBlock(index), Pfn(pfn), BlockCount(n)}, why);
  }
  PageInfo At(uint64_t pfn) { return table_->Describe(Pfn(pfn)); }
  void Survive() {
    table_->SetCanaryHook([this](const PageInfo& page, Ino ino, FileBlock index) {
      canaries_.push_back({page.pages.start.value(), ino.value(), index.value()});
      return true;
    });
  }

  struct Canary {
    uint64_t pfn, ino, index;
    bool operator==(const Canary&) const = default;
  };
  std::unique_ptr<PageTable> table_;
  MappingId a_, b_, c_;
  std::vector<Canary> canaries_;
};

TEST_F(PageTableTest, P1_SharedIsNoMappingAndACount) {
  EXPECT_EQ(At(5).state, PageState::kIdle);
  Associate(a_, 5, 0);
  EXPECT_EQ(At(5).state, PageState::kOwned) << "index 0 must not read as IDLE or SHARED";
  Associate(b_, 5, 9);
  EXPECT_EQ(At(5).state, PageState::kShared);
}

TEST_F(PageTableTest, P2_FirstAssociationOwnsEvenIfReflinked) {
  for (const bool shared : {false, true}) {
    const uint64_t pfn = shared ? 1 : 2;
    EXPECT_EQ(Associate(a_, pfn, 77, 1, PageOrder::k4K, shared).code, 0);
    EXPECT_EQ(At(pfn).state, PageState::kOwned);
    EXPECT_EQ(At(pfn).owner, Ino(100));
    EXPECT_EQ(At(pfn).index, FileBlock(77));
    EXPECT_EQ(At(pfn).references, 0U);
  }
}

TEST_F(PageTableTest, P3_SecondMappingMakesItSharedTwo) {
  Associate(a_, 5, 10);
  Associate(b_, 5, 20);
  EXPECT_EQ(At(5).share, 2U);
  EXPECT_EQ(At(5).owner, Ino(0));
  Associate(c_, 5, 30);
  EXPECT_EQ(At(5).share, 3U);
}

TEST_F(PageTableTest, P3_SecondOwnerOfAnUnsharedPageIsAnInconsistency) {
  Associate(a_, 5, 10, 1, PageOrder::k4K, false);
  EXPECT_EQ(Associate(b_, 5, 20, 1, PageOrder::k4K, false).code, EUCLEAN);
  EXPECT_EQ(At(5).owner, Ino(100)) << "nothing changed";
}

TEST_F(PageTableTest, P4_DisassociationStepsDownAndNeverBackToOwned) {
  Associate(a_, 5, 10);
  Associate(b_, 5, 20);
  Disassociate(b_, 5, 20);
  EXPECT_EQ(At(5).state, PageState::kShared);
  EXPECT_EQ(At(5).share, 1U);
  Disassociate(a_, 5, 10);
  EXPECT_EQ(At(5).state, PageState::kIdle);
}

TEST_F(PageTableTest, P4_SharedOneGrowsAgain) {
  Associate(a_, 5, 10);
  Associate(b_, 5, 20);
  Disassociate(a_, 5, 10);
  Associate(c_, 5, 30);
  EXPECT_EQ(At(5).share, 2U);
}

TEST_F(PageTableTest, P5_IdleClearsTheWholeUnion) {
  constexpr uint64_t kHighIndex = (uint64_t{1} << 47) + 123;  // every byte of the union matters
  Associate(a_, 5, kHighIndex);
  EXPECT_EQ(At(5).index, FileBlock(kHighIndex));
  Disassociate(a_, 5, kHighIndex);
  EXPECT_EQ(At(5), (PageInfo{.pages = {Pfn(5), kOne}}));
  // A stale index would make the next second association start from it.
  Associate(a_, 5, 1);
  Associate(b_, 5, 2);
  EXPECT_EQ(At(5).share, 2U);
}

TEST_F(PageTableTest, P6_IndexIsLinearOverTheEntry) {
  Associate(a_, 100, 7, 5);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(At(100 + i).index, FileBlock(7 + i));
  Disassociate(a_, 100, 7, 5);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(At(100 + i).state, PageState::kIdle);
}

TEST_F(PageTableTest, P8_SameMappingSameIndexIsIdempotent) {
  Associate(a_, 5, 10, 1, PageOrder::k4K, false);
  EXPECT_EQ(Associate(a_, 5, 10, 1, PageOrder::k4K, false).code, 0);
  EXPECT_EQ(At(5).state, PageState::kOwned);
  Disassociate(a_, 5, 10);
  EXPECT_EQ(At(5).state, PageState::kIdle);
}

TEST_F(PageTableTest, P8_SameMappingAtAnotherIndexCountsAsASecond) {
  Associate(a_, 5, 10);
  Associate(a_, 5, 11);
  EXPECT_EQ(At(5).share, 2U);
}

TEST_F(PageTableTest, P9_TruncatingAPinnedPageIsCounted) {
  Survive();
  Associate(a_, 5, 10);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  Disassociate(a_, 5, 10, 1, Disassociation::kTruncate);
  EXPECT_EQ(table_->canary_hits(), 1U);
  EXPECT_THAT(canaries_, ElementsAre(Canary{5, 100, 10}));
  // The pin's own put still finds its count, and then the page is wholly idle.
  EXPECT_THAT(table_->Put({Pfn(5), kOne}, Reference::kPin), ElementsAre(PfnRange{Pfn(5), kOne}));
  EXPECT_EQ(At(5), (PageInfo{.pages = {Pfn(5), kOne}}));
}

TEST_F(PageTableTest, P9_AForeignOwnerIsCountedAndLeftAlone) {
  Survive();
  Associate(a_, 5, 10);
  Disassociate(b_, 5, 20);
  EXPECT_THAT(canaries_, ElementsAre(Canary{5, 200, 20}));
  EXPECT_EQ(At(5).owner, Ino(100));
}

TEST_F(PageTableTest, P9_OneOfTwoOwnersMayLeaveWhileTheOtherPins) {
  Survive();
  Associate(a_, 5, 10);
  Associate(b_, 5, 20, 1, PageOrder::k4K, /*shared=*/true);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  Disassociate(a_, 5, 10, 1, Disassociation::kTruncate);
  EXPECT_EQ(table_->canary_hits(), 0U);
  Disassociate(b_, 5, 20, 1, Disassociation::kTruncate);
  EXPECT_THAT(canaries_, ElementsAre(Canary{5, 200, 20})) << "the last one may not";
}

TEST_F(PageTableTest, P9_IsSilentWithoutPinsAndWithoutTruncation) {
  Associate(a_, 5, 10, 2);
  table_->Get({Pfn(5), kOne}, Reference::kMap);
  Disassociate(a_, 5, 10, 1, Disassociation::kTruncate);  // R - C == 0
  table_->Get({Pfn(6), kOne}, Reference::kPin);
  Disassociate(a_, 6, 11, 1, Disassociation::kInvalidate);
  EXPECT_EQ(table_->canary_hits(), 0U);
}

#ifndef NDEBUG
TEST_F(PageTableTest, P9_AbortsDebugBuildsWithoutAHook) {
  Associate(a_, 5, 10);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  EXPECT_DEATH(Disassociate(a_, 5, 10, 1, Disassociation::kTruncate), "page 5");
}
#endif

TEST_F(PageTableTest, P10_LastPutOnlyWakesWhoWaitsForThatPage) {
  Associate(a_, 5, 10, 2);
  table_->Get({Pfn(5), BlockCount(2)}, Reference::kPin);
  const PageInfo before = At(5);
  int woken5 = 0, woken6 = 0;
  EXPECT_TRUE(table_->WakeWhenIdle(Pfn(5), std::make_shared<WakeOnce>([&] { ++woken5; })));
  EXPECT_TRUE(table_->WakeWhenIdle(Pfn(6), std::make_shared<WakeOnce>([&] { ++woken6; })));
  table_->Put({Pfn(5), kOne}, Reference::kPin);
  EXPECT_EQ(woken5, 1);
  EXPECT_EQ(woken6, 0);
  PageInfo expected = before;
  expected.references = 0;
  EXPECT_EQ(At(5), expected) << "mapping, index and order stay";
}

TEST_F(PageTableTest, P10_OnlyTheLastPutWakes) {
  Associate(a_, 5, 10);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  table_->Get({Pfn(5), kOne}, Reference::kMap);
  int woken = 0;
  table_->WakeWhenIdle(Pfn(5), std::make_shared<WakeOnce>([&] { ++woken; }));
  EXPECT_THAT(table_->Put({Pfn(5), kOne}, Reference::kPin), IsEmpty());
  EXPECT_EQ(woken, 0);
  table_->Put({Pfn(5), kOne}, Reference::kMap);
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(table_->WakeWhenIdle(Pfn(5), std::make_shared<WakeOnce>([] {}))) << "idle now";
}

TEST_F(PageTableTest, P11_IdleIsZeroReferences) {
  Associate(a_, 5, 10);
  EXPECT_FALSE(table_->NextReferenced({Pfn(0), BlockCount(100)}));
  table_->Get({Pfn(5), kOne}, Reference::kMap);
  EXPECT_EQ(table_->NextReferenced({Pfn(0), BlockCount(100)}), (PfnRange{Pfn(5), kOne}));
  table_->Put({Pfn(5), kOne}, Reference::kMap);
  EXPECT_FALSE(table_->NextReferenced({Pfn(0), BlockCount(100)}));
}

TEST_F(PageTableTest, P12_PinsAreReferencesThatAreNoMaps) {
  Associate(a_, 5, 10);
  table_->Get({Pfn(5), kOne}, Reference::kMap);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  table_->Get({Pfn(5), kOne}, Reference::kPin);
  EXPECT_EQ(At(5).references, 3U);
  EXPECT_EQ(At(5).mapped, 1U);
  EXPECT_EQ(At(5).pins(), 2U);
}

TEST_F(PageTableTest, ReferencesNeedAnAssociatedWholePage) {
  EXPECT_EQ(table_->Get({Pfn(5), kOne}, Reference::kPin).code, EINVAL);
  Associate(a_, 512, 0, 512, PageOrder::k2M);
  EXPECT_EQ(table_->Get({Pfn(600), kOne}, Reference::kPin).code, EINVAL);
  EXPECT_EQ(table_->Get({Pfn(512), kOne}, Reference::kPin).code, EINVAL);
  EXPECT_EQ(At(512).references, 0U);
}

TEST_F(PageTableTest, GetStopsAtTheFirstPageItCannotHave) {
  Associate(a_, 5, 10, 3);
  const Progress got = table_->Get({Pfn(5), BlockCount(4)}, Reference::kPin);
  EXPECT_EQ(got.done, BlockCount(3));
  EXPECT_EQ(got.code, EINVAL);
  EXPECT_EQ(table_->NextReferenced({Pfn(0), BlockCount(100)}), (PfnRange{Pfn(5), BlockCount(3)}));
}

TEST_F(PageTableTest, CountingStopsAtTheLimit) {
  Associate(a_, 5, 10);
  for (uint64_t i = 0; i < PageTable::kMaxReferences; ++i) {
    ASSERT_EQ(table_->Get({Pfn(5), kOne}, Reference::kMap).code, 0);
  }
  EXPECT_EQ(table_->Get({Pfn(5), kOne}, Reference::kMap).code, EOVERFLOW);
  EXPECT_EQ(At(5).references, PageTable::kMaxReferences);
}

TEST_F(PageTableTest, OutsideTheRegionIsRefused) {
  const uint64_t end = table_->pages().value();
  EXPECT_EQ(Associate(a_, end, 0).code, ERANGE);
  EXPECT_EQ(Associate(a_, end - 1, 0, 2).code, ERANGE);
  EXPECT_EQ(Associate(a_, 5, kFileEnd.value()).code, ERANGE);
  EXPECT_EQ(table_->Get({Pfn(end), kOne}, Reference::kPin).code, ERANGE);
}

TEST_F(PageTableTest, C1_NothingLargerThanTheGeometry) {
  auto small = *PageTable::Create(k1GBlocks, PageOrder::k2M);
  const MappingId m = *small->AddMapping(Ino(1));
  EXPECT_EQ(small->Associate(m, {FileBlock(0), Pfn(0), k1GBlocks}, PageOrder::k1G, false).code,
            EINVAL);
  EXPECT_EQ(small->Associate(m, {FileBlock(0), Pfn(0), k2MBlocks}, PageOrder::k2M, false).code, 0);
}

TEST_F(PageTableTest, C2_ACompoundIsOneDescriptor) {
  EXPECT_EQ(sizeof(PageDescriptor), 16U);
  Associate(a_, 512, 1024, 512, PageOrder::k2M);
  EXPECT_EQ(At(512), At(700)) << "every block of it answers with the head";
  EXPECT_EQ(At(700).pages, (PfnRange{Pfn(512), k2MBlocks}));
  EXPECT_EQ(table_->FindLeaks().size(), 1U) << "no tail has anything";
  table_->Get({Pfn(512), k2MBlocks}, Reference::kPin);
  EXPECT_EQ(At(1023).references, 1U);
  EXPECT_EQ(At(1024).references, 0U);
}

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * 4096;
}

TEST(PageTable, C2_ATableForATebibyteIsNotResidentAtAnyGeometry) {
  for (const PageOrder geometry : {PageOrder::k4K, PageOrder::k2M, PageOrder::k1G}) {
    const uint64_t before = ResidentBytes();
    auto table = *PageTable::Create(BlockCount(uint64_t{1} << 28), geometry);
    EXPECT_EQ(table->Describe(Pfn(uint64_t{1} << 27)).state, PageState::kIdle);
    EXPECT_LT(ResidentBytes(), before + (uint64_t{1} << 20));
  }
}

TEST_F(PageTableTest, C3_AssociatingACompoundAgainChangesNothing) {
  Associate(a_, 512, 1024, 512, PageOrder::k2M, false);
  const PageInfo before = At(512);
  EXPECT_EQ(Associate(a_, 512, 1024, 512, PageOrder::k2M, false).code, 0);
  EXPECT_EQ(At(512), before);
}

TEST_F(PageTableTest, C4_AnotherOrderIsRefused) {
  Associate(a_, 512, 0, 512, PageOrder::k2M);
  EXPECT_EQ(Associate(b_, 512, 0).code, EEXIST);
  EXPECT_EQ(Associate(b_, 700, 0).code, EEXIST);
  EXPECT_EQ(Associate(b_, 0, 0, k1GBlocks.value(), PageOrder::k1G).code, EEXIST);
  Associate(a_, 2048 + 17, 0);
  EXPECT_EQ(Associate(b_, 2048, 0, 512, PageOrder::k2M).code, EEXIST);
  Associate(a_, k1GBlocks.value(), 0, k1GBlocks.value(), PageOrder::k1G);
  EXPECT_EQ(Associate(b_, k1GBlocks.value() + 512, 0, 512, PageOrder::k2M).code, EEXIST);
  EXPECT_EQ(Associate(b_, k1GBlocks.value() + 999, 0).code, EEXIST);
}

TEST_F(PageTableTest, C4_AnOrderIsFreeAgainOnceItsPagesAreIdle) {
  Associate(a_, 512, 0, 3);
  Disassociate(a_, 512, 0, 3);
  EXPECT_EQ(Associate(b_, 512, 0, 512, PageOrder::k2M).code, 0);
  Disassociate(b_, 512, 0, 512);
  EXPECT_EQ(Associate(b_, 0, 0, k1GBlocks.value(), PageOrder::k1G).code, 0);
  Disassociate(b_, 0, 0, k1GBlocks.value());
  EXPECT_EQ(Associate(b_, 700, 0).code, 0);
}

TEST_F(PageTableTest, C4_SplitCarriesOwnerAndCountsOver) {
  Associate(a_, 512, 2048, 512, PageOrder::k2M);
  table_->Get({Pfn(512), k2MBlocks}, Reference::kMap);
  table_->Get({Pfn(512), k2MBlocks}, Reference::kPin);
  table_->SplitAround({Pfn(600), BlockCount(10)});
  for (uint64_t i = 0; i < 512; ++i) {
    const PageInfo page = At(512 + i);
    ASSERT_EQ(page.pages, (PfnRange{Pfn(512 + i), kOne}));
    ASSERT_EQ(page.index, FileBlock(2048 + i));
    ASSERT_EQ(page.references, 2U);
    ASSERT_EQ(page.mapped, 1U);
  }
  // The references were to all of it: putting them all makes all of it idle.
  table_->Put({Pfn(512), k2MBlocks}, Reference::kMap);
  EXPECT_THAT(table_->Put({Pfn(512), k2MBlocks}, Reference::kPin),
              ElementsAre(PfnRange{Pfn(512), k2MBlocks}));
}

TEST_F(PageTableTest, C4_SplitCarriesShareOver) {
  Associate(a_, 512, 0, 512, PageOrder::k2M);
  Associate(b_, 512, 512, 512, PageOrder::k2M);
  table_->SplitAround({Pfn(512), kOne});
  EXPECT_EQ(At(512).share, 2U);
  EXPECT_EQ(At(1023).share, 2U);
  Disassociate(a_, 512, 0, 512);
  Disassociate(b_, 512, 512, 512);
  EXPECT_THAT(table_->FindLeaks(), IsEmpty());
}

TEST_F(PageTableTest, C4_A1GPageSplitsOnlyAsFarAsNeeded) {
  Associate(a_, 0, 0, k1GBlocks.value(), PageOrder::k1G);
  table_->SplitAround({Pfn(1000), BlockCount(2000)});
  EXPECT_EQ(At(0).order, PageOrder::k2M) << "beside it";
  EXPECT_EQ(At(1000).order, PageOrder::k4K) << "where the range begins";
  EXPECT_EQ(At(2000).order, PageOrder::k2M) << "wholly inside";
  EXPECT_EQ(At(3000).order, PageOrder::k4K) << "where it ends";
  EXPECT_EQ(At(200000).index, FileBlock(AlignDown(200000, 512)));
}

TEST_F(PageTableTest, C4_ARangeOfWholePagesSplitsNothing) {
  Associate(a_, 512, 0, 1024, PageOrder::k2M);
  table_->SplitAround({Pfn(512), k2MBlocks});
  EXPECT_EQ(At(512).order, PageOrder::k2M);
  EXPECT_EQ(At(1024).order, PageOrder::k2M);
}

TEST_F(PageTableTest, C4_SplitWakesWaitersSoThatTheyLookAgain) {
  Associate(a_, 512, 0, 512, PageOrder::k2M);
  table_->Get({Pfn(512), k2MBlocks}, Reference::kPin);
  int woken = 0;
  table_->WakeWhenIdle(Pfn(700), std::make_shared<WakeOnce>([&] { ++woken; }));
  table_->SplitAround({Pfn(600), kOne});
  EXPECT_EQ(woken, 1);
}

TEST_F(PageTableTest, C6_LeaksAreFoundWithPageAndLastOwner) {
  EXPECT_THAT(table_->FindLeaks(), IsEmpty());
  Associate(a_, 5, 10);
  Associate(a_, k1GBlocks.value() + 512, 99 * 512, 512, PageOrder::k2M);
  table_->Get({Pfn(k1GBlocks.value() + 512), k2MBlocks}, Reference::kPin);
  const auto leaks = table_->FindLeaks();
  ASSERT_EQ(leaks.size(), 2U);
  EXPECT_EQ(leaks[0].pages.start, Pfn(5));
  EXPECT_EQ(leaks[0].owner, Ino(100));
  EXPECT_EQ(leaks[1].pages.start, Pfn(k1GBlocks.value() + 512));
  EXPECT_EQ(leaks[1].references, 1U);
}

TEST_F(PageTableTest, C6_NothingLeaksAfterEverythingWasGivenBack) {
  Associate(a_, 100, 0, 700);
  Associate(b_, 100, 0, 700);
  table_->Get({Pfn(100), BlockCount(700)}, Reference::kPin);
  table_->Put({Pfn(100), BlockCount(700)}, Reference::kPin);
  Disassociate(a_, 100, 0, 700);
  Disassociate(b_, 100, 0, 700);
  EXPECT_THAT(table_->FindLeaks(), IsEmpty());
}

// What is changed behind the first steps of a scan is seen by its later ones: no lock was held over
// all of it, and the steps are counted in pages.
TEST_F(PageTableTest, C7_AScanLetsGoOfItsLockAfterABoundedNumberOfSteps) {
  for (uint64_t i = 0; i < 2048; ++i) Associate(a_, i, 2 * i);  // no two merge
  bool first = true, seen = false;
  uint64_t before_change = 0;
  table_->ForEachRun({Pfn(0), BlockCount(2048)}, [&](const PageInfo& run) {
    if (std::exchange(first, false)) Associate(b_, 2000, 1);
    before_change += run.state == PageState::kOwned ? 1 : 0;
    seen = seen || (run.state == PageState::kShared && run.pages.start == Pfn(2000));
  });
  EXPECT_TRUE(seen);
  EXPECT_EQ(before_change, 2047U);
  EXPECT_EQ(PageTable::kBatch, 512U);
}

TEST_F(PageTableTest, C8_OnlyThreeOrdersAndAligned) {
  EXPECT_EQ(BlocksOf(PageOrder::k4K), BlockCount(1));
  EXPECT_EQ(BlocksOf(PageOrder::k2M), BlockCount(512));
  EXPECT_EQ(BlocksOf(PageOrder::k1G), BlockCount(512 * 512));
  EXPECT_EQ(Associate(a_, 513, 0, 512, PageOrder::k2M).code, EINVAL);
  EXPECT_EQ(Associate(a_, 512, 0, 511, PageOrder::k2M).code, EINVAL);
}

TEST_F(PageTableTest, L11_HandOverKeepsReferencesAndIsNoTruncation) {
  const MappingId q = *table_->AddMapping(Ino(4));
  Associate(a_, 5, 10);
  Associate(a_, 6, 11);
  Associate(b_, 6, 12);
  table_->Get({Pfn(5), BlockCount(2)}, Reference::kPin);
  table_->HandOver(a_, q, {Pfn(5), BlockCount(2)});
  EXPECT_EQ(At(5).owner, Ino(4));
  EXPECT_EQ(At(5).index, FileBlock(5));
  EXPECT_EQ(At(5).references, 1U);
  EXPECT_EQ(At(6).share, 2U);
  EXPECT_EQ(table_->canary_hits(), 0U);
}

TEST_F(PageTableTest, NextReferencedFindsTheFirstAcrossUnits) {
  const uint64_t far = 2 * k1GBlocks.value() + 77;
  Associate(a_, far, 1);
  table_->Get({Pfn(far), kOne}, Reference::kPin);
  const PfnRange all{Pfn(0), table_->pages()};
  EXPECT_EQ(table_->NextReferenced(all), (PfnRange{Pfn(far), kOne}));
  Associate(a_, 3, 2);
  table_->Get({Pfn(3), kOne}, Reference::kPin);
  EXPECT_EQ(table_->NextReferenced(all), (PfnRange{Pfn(3), kOne}));
  EXPECT_FALSE(table_->NextReferenced({Pfn(4), BlockCount(far - 4)}));
}

TEST_F(PageTableTest, ForEachRunMergesNeighboursAndCutsAtTheEdges) {
  Associate(a_, 1000, 50, 30);
  Associate(b_, 1010, 0, 5);
  table_->Get({Pfn(1020), BlockCount(2)}, Reference::kPin);
  std::vector<PageInfo> runs;
  table_->ForEachRun({Pfn(990), BlockCount(1000)}, [&](const PageInfo& r) { runs.push_back(r); });
  ASSERT_EQ(runs.size(), 7U);
  EXPECT_EQ(runs[0].pages, (PfnRange{Pfn(990), BlockCount(10)}));
  EXPECT_EQ(runs[0].state, PageState::kIdle);
  EXPECT_EQ(runs[1].pages, (PfnRange{Pfn(1000), BlockCount(10)}));
  EXPECT_EQ(runs[1].index, FileBlock(50));
  EXPECT_EQ(runs[2].share, 2U);
  EXPECT_EQ(runs[3].index, FileBlock(65));
  EXPECT_EQ(runs[4].references, 1U);
  EXPECT_EQ(runs[5].index, FileBlock(72));
  EXPECT_EQ(runs[6].pages, (PfnRange{Pfn(1030), BlockCount(960)}));
}

TEST_F(PageTableTest, ForEachRunClipsCompounds) {
  Associate(a_, 512, 2048, 512, PageOrder::k2M);
  std::vector<PageInfo> runs;
  table_->ForEachRun({Pfn(600), BlockCount(50)}, [&](const PageInfo& r) { runs.push_back(r); });
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].pages, (PfnRange{Pfn(600), BlockCount(50)}));
  EXPECT_EQ(runs[0].index, FileBlock(2048 + 88));
}

TEST_F(PageTableTest, NamesAreReused) {
  table_->RemoveMapping(b_);
  EXPECT_EQ(table_->InoOf(b_), Ino(0));
  EXPECT_EQ(table_->AddMapping(Ino(7)), b_);
  EXPECT_EQ(table_->InoOf(b_), Ino(7));
}

}  // namespace
}  // namespace holdfast::daxcore
