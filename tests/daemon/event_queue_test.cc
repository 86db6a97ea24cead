// SPDX-License-Identifier: Apache-2.0
// Events: order, merging, the bound, and who is woken.
#include "daemon/event_queue.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace holdfast::daemon {
namespace {

constexpr auto kNow = EventQueue::Clock::time_point(std::chrono::hours(1));

holdfast_event Event(uint32_t type, uint64_t lease, uint64_t offset = 0, uint64_t length = 4096) {
  holdfast_event event{};
  event.type = type;
  event.lease = lease;
  event.offset = offset;
  event.length = length;
  return event;
}

TEST(EventQueueTest, GivesOldestFirstAndTellsOfMore) {
  EventQueue queue;
  EXPECT_TRUE(queue.Take(32, kNow).events.empty());
  for (uint64_t lease = 1; lease <= 3; ++lease) queue.Push(Event(HOLDFAST_EVENT_VOID, lease));
  const auto first = queue.Take(2, kNow);
  ASSERT_EQ(first.events.size(), 2u);
  EXPECT_EQ(first.events[0].lease, 1u);
  EXPECT_EQ(first.events[1].lease, 2u);
  EXPECT_TRUE(first.more);
  const auto last = queue.Take(2, kNow);
  ASSERT_EQ(last.events.size(), 1u);
  EXPECT_FALSE(last.more);
}

TEST(EventQueueTest, L13_ARecallTellsTheTimeLeftWhenItIsRead) {
  EventQueue queue;
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 7), kNow + std::chrono::seconds(45));
  EXPECT_EQ(queue.Take(1, kNow + std::chrono::seconds(5)).events.at(0).deadline_ms, 40'000u);
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 7), kNow);
  EXPECT_EQ(queue.Take(1, kNow + std::chrono::seconds(5)).events.at(0).deadline_ms, 0u);
}

TEST(EventQueueTest, RecallsOfOneLeaseAreOneEvent) {
  EventQueue queue;
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 7, 8192, 4096), kNow);
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 8, 0, 4096), kNow);
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 7, 0, 4096), kNow);
  const auto taken = queue.Take(32, kNow).events;
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].offset, 0u);
  EXPECT_EQ(taken[0].length, 12288u);
}

TEST(EventQueueTest, WhatDoesNotFitIsOneLostEvent) {
  EventQueue queue;
  for (uint64_t i = 0; i < 10 * EventQueue::kMost; ++i) {
    queue.Push(Event(HOLDFAST_EVENT_FAILURE, 0, i * 4096));
  }
  const auto taken = queue.Take(2 * EventQueue::kMost, kNow);
  ASSERT_EQ(taken.events.size(), EventQueue::kMost + 1);
  EXPECT_EQ(taken.events.front().type, HOLDFAST_EVENT_LOST);
  EXPECT_TRUE(queue.Take(32, kNow).events.empty());
}

TEST(EventQueueTest, PollTellsRecallsFromFailures) {
  EventQueue queue;
  EXPECT_EQ(queue.Poll(nullptr), 0);
  queue.Push(Event(HOLDFAST_EVENT_FAILURE, 0));
  EXPECT_EQ(queue.Poll(nullptr), POLLERR);
  queue.Push(Event(HOLDFAST_EVENT_RECALL, 1), kNow);
  EXPECT_EQ(queue.Poll(nullptr), POLLERR | POLLPRI);
  queue.Clear();
  EXPECT_EQ(queue.Poll(nullptr), 0);
}

TEST(EventQueueTest, WakesTheLastWaiterOnce) {
  EventQueue queue;
  int first = 0;
  int second = 0;
  queue.Poll([&first] { ++first; });
  queue.Poll([&second] { ++second; });
  queue.Poll(nullptr);
  queue.Push(Event(HOLDFAST_EVENT_VOID, 1));
  queue.Push(Event(HOLDFAST_EVENT_VOID, 2));
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

}  // namespace
}  // namespace holdfast::daemon
