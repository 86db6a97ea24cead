// SPDX-License-Identifier: Apache-2.0
// Breaking layouts: rules L1 to L10 and L14.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/daxcore/layout_fixture.h"

namespace holdfast::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using LayoutBreakTest = LayoutTest;

TEST_F(LayoutBreakTest, L1_WriteRecallsLeasesThatItCollidesWith) {
  int woken = 0;
  const LeaseId near = MustLease(*a_, Client(1), Blocks(0, 10));
  MustLease(*a_, Client(2), Blocks(10, 20));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(5, 6), attempt, BreakReason::kWrite), &woken));
  EXPECT_THAT(events_.lines, ElementsAre("recall 1 1 5-6 45000"));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), near, kWholeFile));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, Blocks(5, 6), attempt, BreakReason::kWrite));
}

TEST_F(LayoutBreakTest, L1_WriteDoesNotWaitForBusyPages) {
  MustPin(*a_, Client(1), Blocks(0, 10));
  BreakAttempt attempt;
  EXPECT_TRUE(Break(*a_, Blocks(5, 6), attempt, BreakReason::kWrite));
}

TEST_F(LayoutBreakTest, L1_WriteSparesTheWritersOwnLease) {
  MustLease(*a_, Client(1), Blocks(0, 10), /*write=*/true);
  BreakAttempt own("write", 1, SessionId(1));
  EXPECT_TRUE(Break(*a_, Blocks(5, 6), own, BreakReason::kWrite));
  EXPECT_THAT(events_.lines, IsEmpty());
  EXPECT_FALSE(Break(*a_, Blocks(5, 6), own, BreakReason::kUnmap)) << "unmapping spares nobody";
}

TEST_F(LayoutBreakTest, L1_UnmapRecallsAndWaitsUntilNoPageIsBusy) {
  int woken = 0;
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  const PinId pin = MustPin(*a_, Client(2), Blocks(3, 4));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_EQ(woken, 1);
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt), &woken)) << "the pin is left";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(2), pin));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt));
}

TEST_F(LayoutBreakTest, L1_ARecallIsSentOnce) {
  MustLease(*a_, Client(1), Blocks(0, 10));
  BreakAttempt attempt;
  EXPECT_FALSE(Break(*a_, Blocks(5, 6), attempt));
  EXPECT_FALSE(Break(*a_, Blocks(5, 6), attempt));
  EXPECT_EQ(events_.lines.size(), 1U);
  EXPECT_FALSE(Break(*a_, Blocks(4, 6), attempt)) << "more is wanted: tell";
  EXPECT_EQ(events_.lines.size(), 2U);
}

TEST_F(LayoutBreakTest, L13_OnlyWhatTheLeaseCoversIsAskedBack) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(2, 20));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(4, 6)));
  BreakAttempt attempt;
  int woken = 0;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt), &woken));
  ASSERT_EQ(events_.lines.size(), 1U);
  EXPECT_THAT(events_.lines[0], HasSubstr("2-10"));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(2, 4)));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(6, 10)));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt));
  timer_.Advance(std::chrono::hours(1));
  EXPECT_EQ(events_.lines.size(), 1U)
      << "the rest of the lease lives on: all was given back in time";
}

#ifndef NDEBUG
TEST_F(LayoutBreakTest, L2_UnmapNeedsTheLayoutLockExclusive) {
  BreakAttempt attempt;
  EXPECT_DEATH((void)manager_->Break(*a_, Blocks(0, 1), BreakReason::kUnmap, attempt), "");
}
#endif

TEST_F(LayoutBreakTest, L2_NothingCanBePinnedBetweenScanAndChange) {
  MustLease(*a_, Client(1), Blocks(0, 1));  // not untouched any more
  manager_->CloseSession(*a_, SessionId(1));
  BreakAttempt attempt;
  std::atomic<bool> pinned = false;
  std::thread client;
  {
    absl::MutexLock lock(&a_->layout_lock());
    ASSERT_TRUE(manager_->Break(*a_, Blocks(0, 64), BreakReason::kUnmap, attempt));
    client = std::thread([&] {
      auto pin = Pin(*a_, Client(2), Blocks(0, 1));
      pinned = pin.has_value();
    });
    // What is freed here is free: whatever the client gets, it gets from the new extents.
    EXPECT_FALSE(table_->NextReferenced({Pfn(1000), BlockCount(64)}));
    mapper_.Punch(Ino(10), 0, 64);
    manager_->DropEntries(*a_, Blocks(0, 64), Drop::kTruncate);
  }
  client.join();
  EXPECT_FALSE(pinned);
  EXPECT_EQ(References(1000), 0U);
}

TEST_F(LayoutBreakTest, L3_WaitsForTheFirstBusyPageInIndexOrder) {
  int woken = 0;
  const PinId later = MustPin(*a_, Client(1), Blocks(7, 8));
  const PinId first = MustPin(*a_, Client(1), Blocks(3, 4));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken));
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), later));
  EXPECT_EQ(woken, 0) << "it waits for that page";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), first));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, Blocks(0, 64), attempt));
}

TEST_F(LayoutBreakTest, L3_EveryRunStartsAgainFromThePages) {
  int woken = 0;
  const PinId first = MustPin(*a_, Client(1), Blocks(5, 6));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken));
  const PinId lower = MustPin(*a_, Client(1), Blocks(2, 3));  // while no lock is held
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), first));
  EXPECT_EQ(woken, 1);
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken)) << "the new pin is seen";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), lower));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(Break(*a_, Blocks(0, 64), attempt));
}

TEST_F(LayoutBreakTest, L3_RecallsBeforeItWaitsForPages) {
  int woken = 0;
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 4));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 4)));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken));
  // Its holder keeps the page busy: untold, it would for ever.
  EXPECT_EQ(events_.lines.size(), 1U);
}

TEST_F(LayoutBreakTest, L3_AChangeBetweenTheRunAndTheWaitIsNotMissed) {
  int woken = 0;
  const PinId pin = MustPin(*a_, Client(1), Blocks(5, 6));
  BreakAttempt attempt;
  const auto blocked = Break(*a_, Blocks(0, 64), attempt);
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  ASSERT_TRUE(Park(blocked, &woken));
  EXPECT_EQ(woken, 1) << "at once";
  const LeaseId lease = MustLease(*b_, Client(1), Blocks(0, 1));
  const auto blocked_by_lease = Break(*b_, Blocks(0, 64), attempt);
  ASSERT_TRUE(manager_->Return(*b_, SessionId(1), lease, kWholeFile));
  ASSERT_TRUE(Park(blocked_by_lease, &woken));
  EXPECT_EQ(woken, 2);
}

// A client that pins its pages one at a time, while a truncate waits, can finish and unpin.
TEST_F(LayoutBreakTest, L4_APagewisePinnerFinishesWhileATruncateWaits) {
  int woken = 0;
  std::vector<PinId> pins = {MustPin(*a_, Client(1), Blocks(0, 1))};
  BreakAttempt truncate("truncate", 1);
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, truncate), &woken));
  for (uint64_t i = 1; i < 64; ++i) pins.push_back(MustPin(*a_, Client(1), Blocks(i, i + 1)));
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  EXPECT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 64))) << "it holds something: it may go on";
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  for (const PinId pin : pins) ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, kWholeFile, truncate));
}

TEST_F(LayoutBreakTest, L4_WhoHoldsNothingWaitsBehindTheBreak) {
  int woken = 0, lease_woken = 0;
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  auto truncate = std::make_unique<BreakAttempt>("truncate", 1);
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), *truncate), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  // The one that just gave back cannot snatch it again before the truncate runs.
  BreakAttempt again;
  ASSERT_TRUE(Park(Lease(*a_, {Client(1), Blocks(0, 10)}, again), &lease_woken));
  EXPECT_TRUE(Lease(*b_, {Client(1), Blocks(0, 10)}, again)) << "other files are free";
  EXPECT_TRUE(Break(*a_, Blocks(0, 64), *truncate));
  EXPECT_EQ(lease_woken, 0);
  truncate.reset();
  EXPECT_EQ(lease_woken, 1);
  EXPECT_TRUE(Lease(*a_, {Client(1), Blocks(0, 10)}, again));
}

TEST_F(LayoutBreakTest, L5_AnInterruptedWaitIsEintrAndChangesNothing) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 10));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 64), attempt), &woken));
  attempt.Interrupt();
  const auto result = Break(*a_, Blocks(0, 64), attempt);
  EXPECT_EQ(result.error().code, EINTR);
  EXPECT_FALSE(result.error().blocked());
  EXPECT_EQ(References(1000), 1U);
  EXPECT_EQ(manager_->metrics().interrupts, 1U);
}

TEST_F(LayoutBreakTest, L5_AnInterruptThatComesTooLateDoesNotUndoSuccess) {
  BreakAttempt attempt;
  MustPin(*a_, Client(1), Blocks(0, 10));
  manager_->CloseSession(*a_, SessionId(1));
  attempt.Interrupt();
  EXPECT_TRUE(Break(*a_, Blocks(0, 64), attempt)) << "there is nothing to wait for";
}

TEST_F(LayoutBreakTest, L6_AnUnknownReasonIsRefused) {
  BreakAttempt attempt;
  for (const int reason : {0, 4, 255}) {
    const auto result = Break(*a_, Blocks(0, 1), attempt, static_cast<BreakReason>(reason));
    EXPECT_EQ(result.error().code, EINVAL) << reason;
  }
  EXPECT_EQ(Break(*a_, Blocks(5, 5), attempt).error().code, EINVAL);
  EXPECT_EQ(Break(*a_, {FileBlock(0), kFileEnd + BlockCount(1)}, attempt).error().code, EINVAL);
}

TEST_F(LayoutBreakTest, L7_OnlyTheAffectedRangeIsBroken) {
  MustPin(*a_, Client(1), Blocks(0, 10));
  MustLease(*a_, Client(1), Blocks(50, 60));
  BreakAttempt attempt;
  EXPECT_TRUE(Break(*a_, Blocks(10, 50), attempt));
  EXPECT_TRUE(Break(*a_, {FileBlock(60), kFileEnd}, attempt));
  EXPECT_THAT(events_.lines, IsEmpty());
  EXPECT_FALSE(Break(*a_, Blocks(9, 50), attempt));
}

TEST_F(LayoutBreakTest, L7_SharingWaitsForPinsForStores) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 10));
  BreakAttempt attempt;
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare)) << "it only reads";
  const auto stores = PinForStores(*a_, Client(2), Blocks(4, 6));
  ASSERT_TRUE(stores);
  EXPECT_TRUE(Break(*a_, Blocks(6, 10), attempt, BreakReason::kShare)) << "beside it";
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt, BreakReason::kWrite)) << "it writes itself";
  ASSERT_TRUE(Park(Break(*a_, Blocks(5, 10), attempt, BreakReason::kShare), &woken));
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(2), stores->id));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, Blocks(5, 10), attempt, BreakReason::kShare));
}

TEST_F(LayoutBreakTest, L7_SharingWaitsForWhatAVoidWriteLeaseMaps) {
  Make({.busy_policy = BusyPolicy::kWait});
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(2, 4)));
  BreakAttempt attempt;
  int woken = 0;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare), &woken));
  timer_.Advance(seconds(45));
  EXPECT_EQ(woken, 1);
  BreakAttempt beside;
  EXPECT_TRUE(Break(*a_, Blocks(4, 10), beside, BreakReason::kShare));
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare));
}

TEST_F(LayoutBreakTest, L7_SharingNeverQuarantines) {
  ASSERT_TRUE(PinForStores(*a_, Client(2), Blocks(4, 6)));
  BreakAttempt attempt;
  int woken = 0;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare), &woken));
  timer_.Advance(seconds(30));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare).error().code, EBUSY);
  manager_->CloseSession(*a_, SessionId(2));
  EXPECT_TRUE(Break(*a_, Blocks(0, 10), attempt, BreakReason::kShare)) << "its end frees it, too";
}

class BreakTwoTest : public LayoutTest {
 protected:
  // A reflink from `source` to `target`, as L7 says.
  auto Reflink(InodeLayout& source, InodeLayout& target, BreakAttempt& attempt) {
    InodeLayout* const first = source.ino() < target.ino() ? &source : &target;
    InodeLayout* const second = first == &source ? &target : &source;
    absl::MutexLock first_lock(&first->layout_lock());
    absl::MutexLock second_lock(&second->layout_lock());
    return manager_->BreakTwo(source, Blocks(0, 64), BreakReason::kShare, target, Blocks(0, 64),
                              BreakReason::kUnmap, attempt);
  }
};

TEST_F(BreakTwoTest, L7_SharingSparesNotEvenTheCallersLease) {
  MustLease(*a_, Client(1), Blocks(0, 10), /*write=*/true);
  BreakAttempt own("reflink", 1, SessionId(1));
  EXPECT_FALSE(Reflink(*a_, *b_, own));
  EXPECT_THAT(events_.lines, SizeIs(1)) << "it is asked to give the lease back";
}

TEST_F(BreakTwoTest, L8_OppositeReflinksBothEnd) {
  int woken_there = 0, woken_back = 0;
  const PinId in_a = MustPin(*a_, Client(1), Blocks(0, 1));
  const PinId in_b = MustPin(*b_, Client(2), Blocks(0, 1));
  BreakAttempt there, back;
  ASSERT_TRUE(Park(Reflink(*a_, *b_, there), &woken_there));
  ASSERT_TRUE(Park(Reflink(*b_, *a_, back), &woken_back)) << "the other holds no lock";
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), in_a));
  EXPECT_EQ(woken_there, 0);
  EXPECT_EQ(woken_back, 1);
  EXPECT_TRUE(Reflink(*b_, *a_, back));
  ASSERT_TRUE(manager_->Unpin(*b_, SessionId(2), in_b));
  EXPECT_EQ(woken_there, 1);
  EXPECT_TRUE(Reflink(*a_, *b_, there));
}

TEST_F(BreakTwoTest, L8_ABusySecondStartsBothAgain) {
  int woken = 0;
  const LeaseId source = MustLease(*a_, Client(1), Blocks(0, 64));
  const PinId target = MustPin(*b_, Client(2), Blocks(0, 1));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Reflink(*a_, *b_, attempt), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), source, kWholeFile));
  EXPECT_EQ(woken, 1);
  ASSERT_TRUE(Park(Reflink(*a_, *b_, attempt), &woken));
  // While it waits for the second, the first may be leased again by somebody who holds something.
  MustPin(*a_, Client(1), Blocks(0, 1));
  MustLease(*a_, Client(1), Blocks(0, 1));
  ASSERT_TRUE(manager_->Unpin(*b_, SessionId(2), target));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(Park(Reflink(*a_, *b_, attempt), &woken)) << "the first is looked at again";
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_TRUE(Reflink(*a_, *b_, attempt));
}

TEST_F(BreakTwoTest, L8_WaitingForTheSecondReachesTheBusyTimeout) {
  int woken = 0;
  MustPin(*b_, Client(2), Blocks(0, 3));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Reflink(*a_, *b_, attempt), &woken));
  timer_.Advance(seconds(10));
  EXPECT_FALSE(Reflink(*a_, *b_, attempt)) << "a run in between does not start the clock again";
  timer_.Advance(seconds(20));
  EXPECT_EQ(woken, 1);
  const auto result = Reflink(*a_, *b_, attempt);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->first.busy, IsEmpty());
  EXPECT_THAT(result->second.busy, ElementsAre(Blocks(0, 3)));
}

TEST_F(LayoutBreakTest, L8_OneInodeTwiceIsAllowed) {
  BreakAttempt attempt;
  const PinId pin = MustPin(*a_, Client(1), Blocks(40, 41));
  absl::MutexLock lock(&a_->layout_lock());
  EXPECT_FALSE(manager_->BreakTwo(*a_, Blocks(0, 10), BreakReason::kWrite, *a_, Blocks(40, 50),
                                  BreakReason::kUnmap, attempt));
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  EXPECT_TRUE(manager_->BreakTwo(*a_, Blocks(0, 10), BreakReason::kWrite, *a_, Blocks(40, 50),
                                 BreakReason::kUnmap, attempt));
}

TEST_F(LayoutBreakTest, L9_AnUntouchedInodeCostsNothing) {
  BreakAttempt attempt;
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt));
  Truncated(*a_, kWholeFile);
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_TRUE(a_->untouched()) << "nothing was even allocated";
  EXPECT_LE(sizeof(InodeLayout), 56U);
}

TEST_F(LayoutBreakTest, L10_TheBreakOfADyingInodeIgnoresInterrupts) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 10));
  BreakAttempt eviction;
  eviction.IgnoreInterrupts();
  eviction.Interrupt();
  EXPECT_TRUE(Park(Break(*a_, kWholeFile, eviction), &woken)) << "waits all the same";
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Break(*a_, kWholeFile, eviction));
}

TEST_F(LayoutBreakTest, L10_AnEvictionThatMayNotBlockQuarantinesAtOnce) {
  MustPin(*a_, Client(1), Blocks(0, 10));
  BreakAttempt eviction;
  eviction.IgnoreInterrupts();
  eviction.OverridePolicy(BusyPolicy::kQuarantine, milliseconds(0));
  const auto result = Break(*a_, kWholeFile, eviction);
  ASSERT_TRUE(result) << result.error().Text();
  EXPECT_THAT(result->busy, ElementsAre(Blocks(0, 10)));
}

TEST_F(LayoutBreakTest, L14_WaitBlocksForAsLongAsItTakes) {
  int woken = 0;
  Make({.busy_policy = BusyPolicy::kWait, .busy_timeout = seconds(1)});
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, attempt), &woken));
  timer_.Advance(std::chrono::hours(24));
  EXPECT_EQ(woken, 0);
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt).error().blocked());
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(woken, 1);
}

TEST_F(LayoutBreakTest, L14_QuarantineWaitsItsTimeAndNamesWhatIsBusy) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(3, 5));
  MustPin(*a_, Client(2), Blocks(5, 6));
  MustPin(*a_, Client(3), Blocks(60, 64));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, Blocks(4, 64), attempt), &woken));
  timer_.Advance(milliseconds(29'999));
  EXPECT_EQ(woken, 0);
  timer_.Advance(milliseconds(1));
  EXPECT_EQ(woken, 1);
  const auto result = Break(*a_, Blocks(4, 64), attempt);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->busy, ElementsAre(Blocks(4, 6), Blocks(60, 64)));
  EXPECT_EQ(result->holders.size(), 3U);
  EXPECT_THAT(result->must_die, IsEmpty());
  EXPECT_EQ(manager_->metrics().busy_timeouts, 1U);
}

TEST_F(LayoutBreakTest, L14_ATimeoutOfZeroIsForEver) {
  int woken = 0;
  Make({.busy_policy = BusyPolicy::kQuarantine, .busy_timeout = milliseconds(0)});
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, attempt), &woken));
  timer_.Advance(std::chrono::hours(24));
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt).error().blocked());
}

TEST_F(LayoutBreakTest, L14_FailIsEbusyAtOnceAndChangesNothing) {
  Make({.busy_policy = BusyPolicy::kFail});
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  EXPECT_EQ(Break(*a_, kWholeFile, attempt).error().code, EBUSY);
  EXPECT_EQ(References(1000), 1U);
  EXPECT_EQ(manager_->metrics().busy_failures, 1U);
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt));
}

TEST_F(LayoutBreakTest, L14_APolicyChangedByRemountCountsFromTheNextRun) {
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  EXPECT_TRUE(Break(*a_, kWholeFile, attempt).error().blocked());
  manager_->SetPolicy({.busy_policy = BusyPolicy::kFail});
  EXPECT_EQ(Break(*a_, kWholeFile, attempt).error().code, EBUSY);
}

TEST_F(LayoutBreakTest, NeverWaitAnswersEagain) {
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  attempt.NeverWait();
  const auto result = Break(*a_, kWholeFile, attempt);
  EXPECT_EQ(result.error().code, EAGAIN);
  EXPECT_FALSE(result.error().blocked());
}

TEST_F(LayoutBreakTest, ManyWaitersWakeByTheirOwnEventOnly) {
  constexpr uint64_t kFiles = 1000;
  std::vector<std::unique_ptr<InodeLayout>> files;
  std::vector<std::unique_ptr<BreakAttempt>> attempts;
  std::vector<int> woken(kFiles, 0);
  for (uint64_t i = 0; i < kFiles; ++i) {
    files.push_back(std::make_unique<InodeLayout>(*manager_, Ino(1000 + i)));
    mapper_.Put(Ino(1000 + i), 0, 10000 + i, 1);
    MustPin(*files[i], Client(i), Blocks(0, 1));
    attempts.push_back(std::make_unique<BreakAttempt>("truncate", 1));
    ASSERT_TRUE(Park(Break(*files[i], kWholeFile, *attempts[i]), &woken[i]));
  }
  EXPECT_EQ(manager_->Waiters().size(), kFiles);
  manager_->CloseSession(*files[500], SessionId(500));
  for (uint64_t i = 0; i < kFiles; ++i) ASSERT_EQ(woken[i], i == 500 ? 1 : 0);
  for (uint64_t i = 0; i < kFiles; ++i) manager_->CloseSession(*files[i], SessionId(i));
  for (uint64_t i = 0; i < kFiles; ++i) ASSERT_EQ(woken[i], 1);
  attempts.clear();
  EXPECT_THAT(manager_->Waiters(), IsEmpty());
  EXPECT_EQ(timer_.pending_deadlines(), 0U) << "no deadline outlives its wait";
}

TEST_F(LayoutBreakTest, RerunsDoNotPileUpWaits) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  for (int i = 0; i < 10000; ++i) {
    MustPin(*a_, Client(2), Blocks(0, 1));
    ASSERT_TRUE(Park(Break(*a_, kWholeFile, attempt), &woken));
    manager_->CloseSession(*a_, SessionId(2));
  }
  EXPECT_EQ(manager_->Waiters().size(), 1U);
}

}  // namespace
}  // namespace holdfast::tests
