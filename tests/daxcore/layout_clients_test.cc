// SPDX-License-Identifier: Apache-2.0
// What clients hold: leases, mapped extents, pins (L11, L12 and the limits).
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

using LayoutClientsTest = LayoutTest;

TEST_F(LayoutClientsTest, MappingShowsExtentsAndTakesOneReferenceEach) {
  mapper_.Punch(Ino(10), 20, 4);
  mapper_.Put(Ino(10), 30, 1030, 5, false, ExtentState::kUnwritten);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  const auto extents = Map(*a_, Client(1), lease, Blocks(10, 50));
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 5U);
  EXPECT_EQ((*extents)[0].pfn, Pfn(1010));
  EXPECT_EQ((*extents)[1].state, ExtentState::kHole);
  EXPECT_EQ((*extents)[2].length, BlockCount(6));
  EXPECT_EQ((*extents)[3].state, ExtentState::kUnwritten);
  EXPECT_EQ((*extents)[3].pfn, Pfn(0)) << "where it would read stale bytes is not shown";
  EXPECT_EQ((*extents)[4].index, FileBlock(35));
  EXPECT_EQ(References(1010), 1U);
  EXPECT_EQ(References(1030), 0U);
  EXPECT_EQ(References(1009), 0U);
  EXPECT_EQ(References(1050), 0U);
}

TEST_F(LayoutClientsTest, MappingAgainTakesNoSecondReference) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(5, 10)));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 64)));
  EXPECT_EQ(References(1007), 1U);
  EXPECT_EQ(table_->Describe(Pfn(1007)).mapped, 1U);
  const LeaseId other = MustLease(*a_, Client(2), Blocks(0, 64));
  ASSERT_TRUE(Map(*a_, Client(2), other, Blocks(7, 8)));
  EXPECT_EQ(References(1007), 2U) << "another lease is another mapping";
}

TEST_F(LayoutClientsTest, MappingIsPaged) {
  for (uint64_t i = 0; i < 10; ++i) mapper_.Put(Ino(10), i, 3000 - 2 * i, 1);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  const auto first = Map(*a_, Client(1), lease, Blocks(0, 64), 3);
  ASSERT_EQ(first->size(), 3U);
  EXPECT_EQ(first->back().index, FileBlock(2));
  const auto next = Map(*a_, Client(1), lease, Blocks(3, 64), 100);
  EXPECT_EQ(next->front().index, FileBlock(3));
  EXPECT_EQ(next->size(), 8U);
}

TEST_F(LayoutClientsTest, MappingRefusesWhatTheLeaseDoesNotGive) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(10, 20));
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(9, 12)).error().code, EINVAL);
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(19, 21)).error().code, EINVAL);
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(12, 12)).error().code, EINVAL);
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(10, 20), 0).error().code, EINVAL);
  EXPECT_EQ(Map(*a_, Client(2), lease, Blocks(10, 20)).error().code, ENOENT) << "not yours";
  EXPECT_EQ(Map(*b_, Client(1), lease, Blocks(10, 20)).error().code, ENOENT) << "another file";
  BreakAttempt attempt;
  EXPECT_FALSE(Break(*a_, kWholeFile, attempt));
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(10, 20)).error().code, ESTALE) << "recalled";
}

TEST_F(LayoutClientsTest, MappingErrorsComeWhereTheyAre) {
  mapper_.FailAt(30, EIO);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  const auto extents = Map(*a_, Client(1), lease, Blocks(0, 64));
  ASSERT_TRUE(extents) << "what comes before is shown";
  EXPECT_EQ(extents->back().index + extents->back().length, FileBlock(30));
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(30, 64)).error().code, EIO);
}

TEST_F(LayoutClientsTest, AWriteLeaseNeverShowsASharedBlock) {
  mapper_.Put(Ino(10), 5, 1005, 1, /*shared=*/true);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64), /*write=*/true);
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(5, 6)).error().code, ESTALE);
  EXPECT_EQ(References(1005), 0U);
}

TEST_F(LayoutClientsTest, ReturningPartKeepsTheRest) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 64));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 64)));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(10, 20)));
  EXPECT_EQ(References(1010), 0U);
  EXPECT_EQ(References(1009), 1U);
  EXPECT_EQ(References(1020), 1U);
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(5, 15)).error().code, EINVAL);
  EXPECT_TRUE(Map(*a_, Client(1), lease, Blocks(20, 64)));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_EQ(manager_->Return(*a_, SessionId(1), lease, kWholeFile).error().code, ENOENT);
  EXPECT_EQ(References(1063), 0U);
}

TEST_F(LayoutClientsTest, C4_ReturningPartOfACompoundSplitsIt) {
  mapper_.Put(Ino(10), 512, 1024, 512);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(512, 1024));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(512, 1024)));
  ASSERT_EQ(table_->Describe(Pfn(1024)).order, PageOrder::k2M);
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(600, 601)));
  EXPECT_EQ(References(1112), 0U);
  EXPECT_EQ(References(1111), 1U);
  EXPECT_EQ(table_->Describe(Pfn(1112)).order, PageOrder::k4K);
}

TEST_F(LayoutClientsTest, C4_APinOfPartOfACompoundSplitsIt) {
  mapper_.Put(Ino(10), 512, 1024, 1024);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(512, 1536));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(512, 1536)));
  MustPin(*a_, Client(2), Blocks(600, 601));
  EXPECT_EQ(References(1112), 2U);
  EXPECT_EQ(References(1113), 1U);
  EXPECT_EQ(table_->Describe(Pfn(1536)).order, PageOrder::k2M);
}

TEST_F(LayoutClientsTest, L12_LongTermPinsNeedALease) {
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 4), true).error().code, EOPNOTSUPP);
  EXPECT_TRUE(Pin(*a_, Client(1), Blocks(0, 4), false)) << "transient is the default";
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 4));
  EXPECT_TRUE(Pin(*a_, Client(1), Blocks(0, 4), true));
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 5), true).error().code, EOPNOTSUPP) << "over all of it";
  EXPECT_EQ(Pin(*a_, Client(2), Blocks(0, 4), true).error().code, EOPNOTSUPP) << "one's own";
  BreakAttempt attempt;
  EXPECT_FALSE(Break(*a_, kWholeFile, attempt));
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 4), true).error().code, EOPNOTSUPP) << "recalled";
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_EQ(References(1000), 2U) << "both pins outlive the lease, as busy pages";
}

TEST_F(LayoutClientsTest, PinsAreAllOrNothing) {
  mapper_.Punch(Ino(10), 7, 1);
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 10)).error().code, ENXIO);
  EXPECT_EQ(References(1000), 0U);
  mapper_.Put(Ino(10), 7, 1007, 1, false, ExtentState::kUnwritten);
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 10)).error().code, ENXIO);
  mapper_.FailAt(7, EIO);
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 10)).error().code, EIO);
  EXPECT_FALSE(table_->NextReferenced({Pfn(0), table_->pages()}));
  EXPECT_THAT(manager_->Holders(), IsEmpty());
}

TEST_F(LayoutClientsTest, PinsSayWhichPages) {
  mapper_.Put(Ino(10), 5, 3000, 2);
  const auto pin = Pin(*a_, Client(1), Blocks(3, 8));
  ASSERT_TRUE(pin);
  EXPECT_THAT(pin->runs, ElementsAre(FileRun{FileBlock(3), Pfn(1003), BlockCount(2)},
                                     FileRun{FileBlock(5), Pfn(3000), BlockCount(2)},
                                     FileRun{FileBlock(7), Pfn(1007), BlockCount(1)}));
  EXPECT_EQ(manager_->Unpin(*a_, SessionId(2), pin->id).error().code, ENOENT) << "not yours";
  EXPECT_TRUE(manager_->Unpin(*a_, SessionId(1), pin->id));
  EXPECT_EQ(manager_->Unpin(*a_, SessionId(1), pin->id).error().code, ENOENT);
}

TEST_F(LayoutClientsTest, BadRangesAreRefused) {
  BreakAttempt attempt;
  const FileRange beyond{FileBlock(0), kFileEnd + BlockCount(1)};
  for (const FileRange& range : {Blocks(5, 5), Blocks(6, 5), beyond}) {
    EXPECT_EQ(Lease(*a_, {Client(1), range}, attempt).error().code, EINVAL);
    EXPECT_EQ(Pin(*a_, Client(1), range).error().code, EINVAL);
    EXPECT_EQ(manager_->Return(*a_, SessionId(1), LeaseId(1), range).error().code, EINVAL);
  }
}

TEST_F(LayoutClientsTest, LimitsPerProcessAreKeptAndNothingChanges) {
  Make(
      {.max_leases_per_process = 2, .max_pins_per_process = 2, .max_pinned_blocks_per_process = 8});
  BreakAttempt attempt;
  MustLease(*a_, Client(1), Blocks(0, 1));
  const LeaseId lease = MustLease(*b_, Client(1), Blocks(0, 1));
  const auto third = Lease(*a_, {Client(1), Blocks(0, 1)}, attempt);
  EXPECT_EQ(third.error().code, ENOSPC);
  EXPECT_FALSE(third.error().blocked());
  EXPECT_THAT(third.error().message, HasSubstr("100001"));
  EXPECT_TRUE(Lease(*a_, {Client(2), Blocks(0, 1)}, attempt)) << "another process";
  ASSERT_TRUE(manager_->Return(*b_, SessionId(1), lease, kWholeFile));
  EXPECT_TRUE(Lease(*a_, {Client(1), Blocks(0, 1)}, attempt)) << "given back is free again";

  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 9)).error().code, ENOSPC) << "too many blocks";
  MustPin(*a_, Client(1), Blocks(0, 4));
  const PinId pin = MustPin(*a_, Client(1), Blocks(0, 4));
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 1)).error().code, ENOSPC) << "too many pins";
  EXPECT_EQ(References(1000), 2U);
  ASSERT_TRUE(manager_->Unpin(*a_, SessionId(1), pin));
  EXPECT_TRUE(Pin(*a_, Client(1), Blocks(0, 4)));
}

TEST_F(LayoutClientsTest, AFailedPinIsNotCharged) {
  Make({.max_pins_per_process = 1});
  mapper_.Punch(Ino(10), 0, 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 1)).error().code, ENXIO);
  EXPECT_TRUE(Pin(*a_, Client(1), Blocks(1, 2)));
}

TEST_F(LayoutClientsTest, SharedLeasesMixExclusiveOnesDoNot) {
  int woken = 0;
  const LeaseId read = MustLease(*a_, Client(1), Blocks(0, 10));
  const LeaseId write = MustLease(*a_, Client(2), Blocks(0, 10), /*write=*/true);
  BreakAttempt attempt;
  ASSERT_TRUE(
      Park(Lease(*a_, {Client(3), Blocks(5, 15), false, /*exclusive=*/true}, attempt), &woken));
  EXPECT_EQ(events_.lines.size(), 2U) << "both are asked for it";
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), read, Blocks(5, 10)));
  EXPECT_EQ(woken, 1);
  ASSERT_TRUE(
      Park(Lease(*a_, {Client(3), Blocks(5, 15), false, /*exclusive=*/true}, attempt), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(2), write, kWholeFile));
  ASSERT_TRUE(Lease(*a_, {Client(3), Blocks(5, 15), false, /*exclusive=*/true}, attempt));
  EXPECT_TRUE(Lease(*a_, {Client(4), Blocks(15, 20)}, attempt)) << "beside it";
  EXPECT_TRUE(Lease(*a_, {Client(4), Blocks(14, 20)}, attempt).error().blocked());
}

TEST_F(LayoutClientsTest, ALeaseThatWaitsIsInterruptible) {
  MustLease(*a_, Client(1), Blocks(0, 10), false, /*exclusive=*/true);
  BreakAttempt attempt;
  EXPECT_TRUE(Lease(*a_, {Client(2), Blocks(0, 10)}, attempt).error().blocked());
  attempt.Interrupt();
  EXPECT_EQ(Lease(*a_, {Client(2), Blocks(0, 10)}, attempt).error().code, EINTR);
  BreakAttempt impatient;
  impatient.NeverWait();
  EXPECT_EQ(Lease(*a_, {Client(2), Blocks(0, 10)}, impatient).error().code, EAGAIN);
}

TEST_F(LayoutClientsTest, AVoidLeaseThatStillMapsHoldsUpAnExclusiveOneForItsTime) {
  int woken = 0;
  const LeaseId old = MustLease(*a_, Client(1), Blocks(0, 10), false, /*exclusive=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), old, Blocks(0, 10)));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Lease(*a_, {Client(2), Blocks(0, 10)}, attempt), &woken));
  timer_.Advance(seconds(45));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(Lease(*a_, {Client(2), Blocks(0, 10)}, attempt).error().code, EBUSY);
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), old, kWholeFile));
  EXPECT_TRUE(Lease(*a_, {Client(2), Blocks(0, 10)}, attempt));
}

TEST_F(LayoutClientsTest, ClosingASessionReturnsEverythingOfItAndNothingElse) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  MustPin(*a_, Client(1), Blocks(3, 5));
  MustPin(*a_, Client(2), Blocks(4, 6));
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(References(1003), 0U);
  EXPECT_EQ(References(1004), 1U);
  EXPECT_EQ(manager_->Holders().size(), 1U);
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(manager_->Holders().size(), 1U);
}

TEST_F(LayoutClientsTest, L11_AHolderIsOnRecordBeforeItsFirstReference) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  EXPECT_THAT(store_.holders, IsEmpty()) << "a lease alone touches nothing";
  store_.fail_with = ENOSPC;
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(0, 10)).error().code, ENOSPC);
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 10)).error().code, ENOSPC);
  EXPECT_EQ(References(1000), 0U) << "off the record, no reference";
  store_.fail_with = 0;
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  MustPin(*a_, Client(1), Blocks(0, 10));
  EXPECT_EQ(store_.holders.size(), 1U) << "once for a process and an inode";
  MustPin(*b_, Client(1), Blocks(0, 10));
  EXPECT_EQ(store_.holders.size(), 2U);
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(store_.holders.size(), 1U);
}

TEST_F(LayoutClientsTest, L11_TheRecordStaysWhileAnotherSessionOfTheProcessHolds) {
  Holder second = Client(1);
  second.session = SessionId(9);
  MustPin(*a_, Client(1), Blocks(0, 1));
  MustPin(*a_, second, Blocks(0, 1));
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(store_.holders.size(), 1U);
  manager_->CloseSession(*a_, SessionId(9));
  EXPECT_THAT(store_.holders, IsEmpty());
}

TEST_F(LayoutClientsTest, ClientsOnManyThreadsLeaveNothingBehind) {
  constexpr int kThreads = 4, kRounds = 200;
  std::vector<std::thread> threads;
  for (int t = 1; t <= kThreads; ++t) {
    threads.emplace_back([this, t] {
      const Holder me = Client(static_cast<uint64_t>(t));
      InodeLayout& file = t % 2 == 0 ? *a_ : *b_;
      for (int i = 0; i < kRounds; ++i) {
        const uint64_t at = static_cast<uint64_t>((t * 7 + i) % 60);
        const LeaseId lease = MustLease(file, me, Blocks(at, at + 4));
        EXPECT_TRUE(Map(file, me, lease, Blocks(at, at + 4)));
        const PinId pin = MustPin(file, me, Blocks(at, at + 2));
        if (i % 3 == 0) {
          manager_->CloseSession(file, me.session);
        } else {
          EXPECT_TRUE(manager_->Unpin(file, me.session, pin));
          EXPECT_TRUE(manager_->Return(file, me.session, lease, kWholeFile));
        }
      }
      manager_->CloseSession(file, me.session);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(table_->NextReferenced({Pfn(0), table_->pages()}));
  EXPECT_THAT(manager_->Holders(), IsEmpty());
  EXPECT_THAT(store_.holders, IsEmpty());
}

}  // namespace
}  // namespace holdfast::tests
