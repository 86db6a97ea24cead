// SPDX-License-Identifier: Apache-2.0
// Quarantine: rules L11 and L14, with an allocator as the oracle.
#include "daxcore/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daxcore/event_loop.h"
#include "tests/daxcore/layout_fixture.h"

namespace holdfast::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

PfnRange Pages(uint64_t start, uint64_t n) { return {Pfn(start), BlockCount(n)}; }

class QuarantineTest : public LayoutTest {
 protected:
  // Truncates inode 10 from `start`, as fsmeta would after `timeout`. Returns the pages that went
  // to free space at once.
  std::vector<PfnRange> Truncate(InodeLayout& layout, uint64_t first_pfn, uint64_t start,
                                 BreakAttempt& attempt) {
    absl::MutexLock lock(&layout.layout_lock());
    const FileRange range = Blocks(start, 64);
    const auto outcome = manager_->Break(layout, range, BreakReason::kUnmap, attempt);
    EXPECT_TRUE(outcome) << outcome.error().Text();
    if (!outcome) return {};
    const FileRun removed{FileBlock(start), Pfn(first_pfn + start), BlockCount(64 - start)};
    const auto busy = outcome->BusyPartsOf(removed);
    mapper_.Punch(layout.ino(), start, 64 - start);
    manager_->Quarantine(layout, busy, *outcome);
    manager_->DropEntries(layout, range, Drop::kTruncate);
    std::vector<PfnRange> freed;
    Pfn at = removed.pfn;
    for (const FileRun& run : busy) {
      if (run.pfn > at) freed.push_back({at, run.pfn - at});
      at = run.pages().end();
    }
    if (at < removed.pages().end()) freed.push_back({at, removed.pages().end() - at});
    // The oracle of L11: what is free now, nobody references.
    for (const PfnRange& run : freed) EXPECT_FALSE(table_->NextReferenced(run));
    return freed;
  }
  std::vector<PfnRange> TruncateNow(InodeLayout& layout, uint64_t first_pfn, uint64_t start) {
    BreakAttempt now("truncate", 1);
    now.OverridePolicy(BusyPolicy::kQuarantine, milliseconds(0));
    return Truncate(layout, first_pfn, start, now);
  }
  // What was released so far, in order; a run may have come in parts, one for each 2 MiB it
  // touches.
  std::vector<PfnRange> Released() const {
    std::vector<PfnRange> runs;
    for (const PfnRange& part : store_.released) {
      const bool goes_on = !runs.empty() && runs.back().end() == part.start &&
                           part.start == HeadOf(part.start, PageOrder::k2M);
      if (goes_on) {
        runs.back().length += part.length;
      } else {
        runs.push_back(part);
      }
    }
    return runs;
  }
  uint64_t Quarantined() { return manager_->quarantine().blocks().value(); }
};

TEST_F(QuarantineTest, L14_BusyBlocksLeaveTheFileAndComeBackWithTheLastReference) {
  const PinId first = MustPin(*a_, Client(1), Blocks(10, 12));
  const PinId second = MustPin(*a_, Client(2), Blocks(11, 13));
  EXPECT_THAT(TruncateNow(*a_, 1000, 0), ElementsAre(Pages(1000, 10), Pages(1013, 51)));
  EXPECT_EQ(Quarantined(), 3U);
  EXPECT_EQ(table_->Describe(Pfn(1010)).owner, Ino(4));
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), first));
  EXPECT_THAT(Released(), ElementsAre(Pages(1010, 1))) << "1011 is still pinned";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(2), second));
  EXPECT_THAT(Released(), ElementsAre(Pages(1010, 1), Pages(1011, 2)));
  EXPECT_EQ(Quarantined(), 0U);
  EXPECT_THAT(manager_->quarantine().List(), IsEmpty());
}

TEST_F(QuarantineTest, L14_NothingIsQuarantinedBeforeTheTimeIsOver) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(10, 12));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken));
  timer_.Advance(seconds(30));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(Truncate(*a_, 1000, 0, attempt).size(), 2U);
  EXPECT_EQ(Quarantined(), 2U);
  EXPECT_EQ(manager_->metrics().quarantined_blocks, 2U);
}

TEST_F(QuarantineTest, L11_HoldsOverALeaseTimeout) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 4)));
  BreakAttempt attempt;
  EXPECT_FALSE(Break(*a_, Blocks(0, 64), attempt));
  timer_.Advance(seconds(45));
  EXPECT_THAT(Truncate(*a_, 1000, 0, attempt), ElementsAre(Pages(1004, 60)));
  EXPECT_THAT(store_.released, IsEmpty());
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_THAT(Released(), ElementsAre(Pages(1000, 4)));
}

TEST_F(QuarantineTest, L11_HoldsUntilTheClientsDeathReturnsEverything) {
  MustPin(*a_, Client(1), Blocks(0, 4));
  TruncateNow(*a_, 1000, 0);
  EXPECT_THAT(store_.released, IsEmpty());
  manager_->CloseSession(*a_, SessionId(1));  // what the daemon does when the process dies
  EXPECT_THAT(Released(), ElementsAre(Pages(1000, 4)));
}

TEST_F(QuarantineTest, L11_HoldersFromBeforeTheDaemonsStartKeepTheWholeInodeBusy) {
  int woken = 0;
  const ProcessId survivor{4242, 7};
  store_.holders.emplace(std::pair(uint64_t{10}, 4242), survivor);
  manager_->AdoptHolder(Ino(10), survivor);
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  EXPECT_FALSE(a_->untouched());
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(60, 64), attempt), &woken)) << "it may map anything";
  EXPECT_TRUE(Break(*a_, Blocks(60, 64), attempt, BreakReason::kWrite)) << "but it has no lease";
  timer_.Advance(seconds(30));
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(Truncate(*a_, 1000, 60, attempt), IsEmpty()) << "not one block is free";
  EXPECT_EQ(Quarantined(), 4U);
  timer_.Kill(survivor);
  EXPECT_THAT(Released(), ElementsAre(Pages(1060, 4)));
  EXPECT_THAT(store_.holders, IsEmpty());
  BreakAttempt later;
  EXPECT_TRUE(Break(*a_, Blocks(0, 60), later)) << "nobody is left";
}

TEST_F(QuarantineTest, L11_WhatAProcessHeldBeforeOutlivesWhatItTakesAndReturnsNow) {
  const ProcessId survivor = Client(1).process;
  store_.holders.emplace(std::pair(uint64_t{10}, survivor.pid), survivor);
  manager_->AdoptHolder(Ino(10), survivor);
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  MustPin(*a_, Client(1), Blocks(0, 4));
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(store_.holders.size(), 1U) << "for the next daemon, should this one crash";
  timer_.Kill(survivor);
  EXPECT_THAT(store_.holders, IsEmpty());
}

TEST_F(QuarantineTest, L11_AFormerHoldersDeathWakesWhoWaits) {
  int woken = 0;
  const ProcessId survivor{4242, 7};
  store_.holders.emplace(std::pair(uint64_t{10}, 4242), survivor);
  manager_->AdoptHolder(Ino(10), survivor);
  manager_->AdoptHolder(Ino(10), survivor);  // twice on record is once
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, attempt), &woken));
  EXPECT_EQ(manager_->Holders().front().kind, HolderInfo::Kind::kFormer);
  timer_.Kill(survivor);
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt));
}

TEST_F(QuarantineTest, L11_ADeletedInodesNumberIsFreeOfFormerHoldersItsPagesAreNot) {
  const ProcessId survivor{4242, 7};
  store_.holders.emplace(std::pair(uint64_t{10}, 4242), survivor);
  manager_->AdoptHolder(Ino(10), survivor);
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  EXPECT_THAT(TruncateNow(*a_, 1000, 0), IsEmpty());
  manager_->ForgetAdopted(Ino(10));
  EXPECT_THAT(store_.holders, IsEmpty());
  EXPECT_THAT(store_.released, IsEmpty()) << "the survivor still maps them";
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  EXPECT_TRUE(a_->untouched()) << "the next file of this number has nothing to do with it";
  timer_.Kill(survivor);
  EXPECT_THAT(Released(), ElementsAre(Pages(1000, 64)));
}

TEST_F(QuarantineTest, L11_PagesOfALiveAndAFormerHolderWaitForBoth) {
  const ProcessId survivor{4242, 7};
  store_.holders.emplace(std::pair(uint64_t{10}, 4242), survivor);
  manager_->AdoptHolder(Ino(10), survivor);
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  const PinId pin = MustPin(*a_, Client(1), Blocks(2, 3));
  EXPECT_THAT(TruncateNow(*a_, 1000, 0), IsEmpty());
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  EXPECT_THAT(store_.released, IsEmpty()) << "the survivor may hold it too";
  timer_.Kill(survivor);
  EXPECT_THAT(Released(), ElementsAre(Pages(1000, 64)));
}

TEST_F(QuarantineTest, L11_RestoredRecordsLastUntilTheirHoldersAreDead) {
  const pid_t child = fork();
  if (child == 0) pause();
  const ProcessId alive = *Identify(child);
  const ProcessId dead{child, alive.start_time + 1};
  auto loop = *EventLoop::Start();
  const MappingId name = *table_->AddMapping(Ino(4));
  class Store final : public QuarantineStore {
   public:
    void Release(std::span<const PfnRange> pages) override {
      absl::MutexLock lock(&mutex);
      released.insert(released.end(), pages.begin(), pages.end());
    }
    Result<void> AddHolder(Ino, const ProcessId&) override { return {}; }
    void RemoveHolder(Ino, const ProcessId&) override {}
    absl::Mutex mutex;
    std::vector<PfnRange> released ABSL_GUARDED_BY(mutex);
  } store;
  {
    class Quarantine quarantine(*table_, name, *loop, &store);
    EXPECT_FALSE(quarantine.Restore({Pages(500, 3), Ino(10), {dead}})) << "free it yourself";
    EXPECT_FALSE(quarantine.Restore({Pages(500, 3), Ino(10), {}}));
    ASSERT_TRUE(quarantine.Restore({Pages(500, 700), Ino(10), {dead, alive}}));
    EXPECT_EQ(quarantine.blocks(), BlockCount(700));
    EXPECT_EQ(quarantine.List().front().former_ino, Ino(10));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    absl::MutexLock lock(&store.mutex);
    store.mutex.Await(absl::Condition(
        +[](std::vector<PfnRange>* list) { return !list->empty(); }, &store.released));
    uint64_t blocks = 0;
    for (const PfnRange& run : store.released) blocks += run.length.value();
    EXPECT_EQ(blocks, 700U);
  }
  table_->RemoveMapping(name);
}

TEST_F(QuarantineTest, WhatBecameIdleBeforeItCameInIsReleasedAtOnce) {
  const PinId pin = MustPin(*a_, Client(1), Blocks(0, 4));
  BreakAttempt now;
  now.OverridePolicy(BusyPolicy::kQuarantine, milliseconds(0));
  absl::MutexLock lock(&a_->layout_lock());
  const auto outcome = manager_->Break(*a_, kWholeFile, BreakReason::kUnmap, now);
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));  // while the transaction commits
  manager_->Quarantine(*a_, outcome->BusyPartsOf({FileBlock(0), Pfn(1000), BlockCount(64)}),
                       *outcome);
  EXPECT_THAT(Released(), ElementsAre(Pages(1000, 4)));
  manager_->DropEntries(*a_, kWholeFile, Drop::kTruncate);
}

TEST_F(QuarantineTest, APageThatLeftTwoFilesIsReleasedTwice) {
  mapper_.Put(Ino(10), 0, 3000, 4, /*shared=*/true);
  mapper_.Put(Ino(20), 0, 3000, 4, /*shared=*/true);
  const PinId in_a = MustPin(*a_, Client(1), Blocks(0, 4));
  const PinId in_b = MustPin(*b_, Client(2), Blocks(0, 4));
  for (InodeLayout* file : {a_.get(), b_.get()}) {
    BreakAttempt now;
    now.OverridePolicy(BusyPolicy::kQuarantine, milliseconds(0));
    absl::MutexLock lock(&file->layout_lock());
    const auto outcome = manager_->Break(*file, Blocks(0, 4), BreakReason::kUnmap, now);
    ASSERT_TRUE(outcome);
    manager_->Quarantine(*file, outcome->BusyPartsOf({FileBlock(0), Pfn(3000), BlockCount(4)}),
                         *outcome);
    manager_->DropEntries(*file, kWholeFile, Drop::kTruncate);
  }
  EXPECT_EQ(Quarantined(), 8U) << "two ownerships";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), in_a));
  EXPECT_THAT(store_.released, IsEmpty());
  ASSERT_TRUE(manager_->Unpin(*b_, SessionId(2), in_b));
  EXPECT_THAT(Released(), ElementsAre(Pages(3000, 4), Pages(3000, 4)));
}

TEST_F(QuarantineTest, PartOfACompoundCanBeQuarantined) {
  mapper_.Put(Ino(10), 512, 1024, 1024);
  const PinId pin = MustPin(*a_, Client(1), Blocks(512, 1536));
  ASSERT_EQ(table_->Describe(Pfn(1024)).order, PageOrder::k2M);
  BreakAttempt now;
  now.OverridePolicy(BusyPolicy::kQuarantine, milliseconds(0));
  {
    absl::MutexLock lock(&a_->layout_lock());
    const auto outcome = manager_->Break(*a_, Blocks(600, 1100), BreakReason::kUnmap, now);
    ASSERT_TRUE(outcome);
    EXPECT_THAT(outcome->busy, ElementsAre(Blocks(600, 1100)));
    manager_->Quarantine(*a_, outcome->BusyPartsOf({FileBlock(600), Pfn(1112), BlockCount(500)}),
                         *outcome);
    manager_->DropEntries(*a_, Blocks(600, 1100), Drop::kTruncate);
  }
  EXPECT_EQ(Quarantined(), 500U);
  EXPECT_EQ(table_->Describe(Pfn(1111)).owner, Ino(10)) << "what stays in the file";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  uint64_t blocks = 0;
  for (const PfnRange& run : store_.released) blocks += run.length.value();
  EXPECT_EQ(blocks, 500U);
}

TEST_F(QuarantineTest, ALateNoticeOfIdlenessReleasesNothingThatIsBusy) {
  MustPin(*a_, Client(1), Blocks(0, 4));
  TruncateNow(*a_, 1000, 0);
  // Some other thread's Put found these pages idle before they were pinned and quarantined.
  const std::vector<PfnRange> stale = {Pages(1000, 4)};
  manager_->quarantine().OnIdle(stale);
  EXPECT_THAT(store_.released, IsEmpty());
  EXPECT_EQ(Quarantined(), 4U);
}

TEST_F(QuarantineTest, ManyQuarantinedFilesAreReleasedEachByItsOwn) {
  constexpr uint64_t kFiles = 200;
  std::vector<std::unique_ptr<InodeLayout>> files;
  for (uint64_t i = 0; i < kFiles; ++i) {
    files.push_back(std::make_unique<InodeLayout>(*manager_, Ino(1000 + i)));
    mapper_.Put(Ino(1000 + i), 0, 10000 + 64 * i, 64);
    MustPin(*files[i], Client(1), Blocks(i % 60, i % 60 + 4));
    TruncateNow(*files[i], 10000 + 64 * i, 0);
  }
  EXPECT_EQ(Quarantined(), 4 * kFiles);
  for (uint64_t i = 0; i < kFiles; ++i) {
    manager_->CloseSession(*files[i], SessionId(1));
    ASSERT_FALSE(Released().empty());
    EXPECT_EQ(Released().back(), Pages(10000 + 64 * i + i % 60, 4));
  }
  EXPECT_EQ(Quarantined(), 0U);
}

}  // namespace
}  // namespace holdfast::tests
