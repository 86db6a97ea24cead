// SPDX-License-Identifier: Apache-2.0
// The life of a lease under recall: rule L13.
#include "daxcore/layout_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daxcore/layout_fixture.h"

namespace holdfast::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LayoutStateTest : public LayoutTest {
 protected:
  LeaseState StateOf(LeaseId lease) {
    for (const HolderInfo& holder : manager_->Holders()) {
      if (holder.kind == HolderInfo::Kind::kLease && holder.id == lease.value()) {
        return holder.lease_state;
      }
    }
    ADD_FAILURE() << "no such lease";
    return LeaseState::kVoid;
  }
};

TEST_F(LayoutStateTest, L13_TheDefaultBreakTimeIs45Seconds) {
  EXPECT_EQ(LayoutPolicy{}.break_time, seconds(45));
}

TEST_F(LayoutStateTest, L13_ALeaseIsVoidAfterItsBreakTime) {
  int woken = 0;
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  BreakAttempt write;
  ASSERT_TRUE(Park(Break(*a_, Blocks(0, 1), write, BreakReason::kWrite), &woken));
  EXPECT_EQ(StateOf(lease), LeaseState::kRecalled);
  timer_.Advance(milliseconds(44'999));
  EXPECT_EQ(woken, 0);
  timer_.Advance(milliseconds(1));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(StateOf(lease), LeaseState::kVoid);
  EXPECT_THAT(events_.lines, ElementsAre("recall 1 1 0-1 45000", "void 1 1"));
  EXPECT_TRUE(Break(*a_, Blocks(0, 1), write, BreakReason::kWrite));
  EXPECT_EQ(manager_->metrics().lease_timeouts, 1U);
}

TEST_F(LayoutStateTest, L13_WhatAVoidLeaseStillMapsIsBusy) {
  int woken = 0;
  Make({.busy_policy = BusyPolicy::kWait});
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  BreakAttempt truncate;
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, truncate), &woken));
  timer_.Advance(seconds(45));
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, truncate), &woken)) << "L11 still holds";
  timer_.Advance(std::chrono::hours(1));
  EXPECT_TRUE(Break(*a_, kWholeFile, truncate).error().blocked());
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_TRUE(Break(*a_, kWholeFile, truncate));
}

TEST_F(LayoutStateTest, L13_AVoidLeaseGivesNoRights) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  BreakAttempt write;
  EXPECT_FALSE(Break(*a_, Blocks(0, 1), write, BreakReason::kWrite));
  timer_.Advance(seconds(45));
  EXPECT_EQ(Map(*a_, Client(1), lease, Blocks(0, 10)).error().code, ESTALE);
  EXPECT_EQ(Pin(*a_, Client(1), Blocks(0, 10), true).error().code, EOPNOTSUPP);
  EXPECT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
}

TEST_F(LayoutStateTest, L13_TheBusyPolicyWaitsForTheBreakTime) {
  Make({.busy_policy = BusyPolicy::kQuarantine,
        .busy_timeout = seconds(30),
        .break_time = seconds(45)});
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  BreakAttempt truncate;
  EXPECT_FALSE(Break(*a_, kWholeFile, truncate));
  timer_.Advance(seconds(40));
  EXPECT_TRUE(Break(*a_, kWholeFile, truncate).error().blocked()) << "the lease is still good";
  timer_.Advance(seconds(5));
  const auto outcome = Break(*a_, kWholeFile, truncate);
  ASSERT_TRUE(outcome);
  EXPECT_THAT(outcome->busy, ElementsAre(Blocks(0, 10)));
}

TEST_F(LayoutStateTest, L13_FailWaitsForTheRecallToo) {
  Make({.busy_policy = BusyPolicy::kFail, .break_time = seconds(45)});
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  BreakAttempt truncate;
  EXPECT_TRUE(Break(*a_, kWholeFile, truncate).error().blocked());
  timer_.Advance(seconds(45));
  EXPECT_EQ(Break(*a_, kWholeFile, truncate).error().code, EBUSY);
}

TEST_F(LayoutStateTest, L13_GivingBackWhatWasAskedForMakesTheRestGoodAgain) {
  int woken = 0;
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  BreakAttempt punch;
  ASSERT_TRUE(Park(Break(*a_, Blocks(4, 6), punch), &woken));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(4, 5)));
  EXPECT_EQ(StateOf(lease), LeaseState::kRecalled) << "half of it";
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, Blocks(5, 6)));
  EXPECT_EQ(StateOf(lease), LeaseState::kActive);
  EXPECT_TRUE(Break(*a_, Blocks(4, 6), punch));
  timer_.Advance(seconds(100));
  EXPECT_EQ(StateOf(lease), LeaseState::kActive) << "its time was stopped";
  EXPECT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 4)));
}

TEST_F(LayoutStateTest, L13_ALaterRecallDoesNotLengthenTheTime) {
  MustLease(*a_, Client(1), Blocks(0, 10));
  BreakAttempt first, second;
  EXPECT_FALSE(Break(*a_, Blocks(0, 1), first));
  timer_.Advance(seconds(40));
  EXPECT_FALSE(Break(*a_, Blocks(5, 6), second));
  EXPECT_EQ(events_.lines.back(), "recall 1 1 5-6 5000");
}

TEST_F(LayoutStateTest, ALeaseThatEndsLeavesNoDeadline) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  {
    BreakAttempt attempt;
    EXPECT_FALSE(Break(*a_, Blocks(0, 1), attempt));
  }
  EXPECT_EQ(timer_.pending_deadlines(), 1U);
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
  EXPECT_EQ(timer_.pending_deadlines(), 0U);
  EXPECT_EQ(manager_->metrics().recall_time.count(), 1U);
}

TEST_F(LayoutStateTest, ADeadlineAfterEverythingIsGoneDoesNothing) {
  MustLease(*a_, Client(1), Blocks(0, 10));
  {
    BreakAttempt attempt;
    EXPECT_FALSE(Break(*a_, Blocks(0, 1), attempt));
  }
  Evict();
  manager_.reset();
  timer_.Advance(seconds(100));
  Make({});
  EXPECT_THAT(manager_->Holders(), IsEmpty());
}

}  // namespace
}  // namespace holdfast::tests
