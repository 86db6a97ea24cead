// SPDX-License-Identifier: Apache-2.0
// Resource locks: in order they block, out of order they try, and nothing deadlocks.
#include "fsmeta/resource_locks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace holdfast::fsmeta {
namespace {

constexpr ResourceKey kGroup0{ResourceClass::kGroup, 0};
constexpr ResourceKey kGroup1{ResourceClass::kGroup, 1};
constexpr ResourceKey kCluster5{ResourceClass::kInodeCluster, 5};

TEST(ResourceLocks, StripesFollowTheOrderOfClasses) {
  size_t last = 0;
  for (uint32_t cls = 1; cls <= 6; ++cls) {
    const auto low = ResourceLocks::StripeOf({static_cast<ResourceClass>(cls), 0});
    const auto high = ResourceLocks::StripeOf({static_cast<ResourceClass>(cls), 63});
    EXPECT_GE(low, last);
    EXPECT_GT(high, low);
    last = high + 1;
  }
  EXPECT_EQ(ResourceLocks::StripeOf(kGroup1),
            ResourceLocks::StripeOf({ResourceClass::kGroup, 1 + ResourceLocks::kStripes}));
}

TEST(ResourceLocks, AKeyIsTakenOnceEvenWhenTwoShareAStripe) {
  ResourceLocks locks;
  HeldLocks held(locks);
  EXPECT_TRUE(held.Lock(kGroup1));
  EXPECT_TRUE(held.Lock(kGroup1));
  EXPECT_TRUE(held.Lock({ResourceClass::kGroup, 1 + ResourceLocks::kStripes}));
}

TEST(ResourceLocks, OutOfOrderIsTakenWhenItIsFree) {
  ResourceLocks locks;
  HeldLocks held(locks);
  EXPECT_TRUE(held.Lock(kGroup1));
  EXPECT_TRUE(held.Lock(kCluster5));
}

TEST(ResourceLocks, OutOfOrderAsksForARestartWhenItIsTaken) {
  ResourceLocks locks;
  HeldLocks other(locks);
  ASSERT_TRUE(other.Lock(kCluster5));
  std::thread([&] {
    // absl mutexes belong to threads: the refusal has to be seen from another one.
    HeldLocks third(locks);
    ASSERT_TRUE(third.Lock(kGroup0));
    const auto refused = third.Lock(kCluster5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ERESTART);
    const auto wanted = third.WantedInOrder();
    ASSERT_EQ(wanted.size(), 2U);
    EXPECT_EQ(wanted[0], kCluster5);
    EXPECT_EQ(wanted[1], kGroup0);
  }).join();
}

TEST(ResourceLocks, ReleaseAllLetsOthersIn) {
  ResourceLocks locks;
  HeldLocks held(locks);
  ASSERT_TRUE(held.Lock(kGroup1));
  held.ReleaseAll();
  std::thread([&] {
    HeldLocks other(locks);
    EXPECT_TRUE(other.Lock(kGroup1));
  }).join();
}

// Threads take random sets in random order, as transactions do; the counters they guard add up, and
// the test ends.
TEST(ResourceLocks, RandomOrdersNeitherDeadlockNorLetTwoIn) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 2000;
  constexpr uint64_t kResources = 6;
  ResourceLocks locks;
  std::vector<int> counters(kResources);
  std::atomic<int> expected = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int round = 0; round < kRounds; ++round) {
        std::vector<ResourceKey> keys;
        for (int i = 0; i < 3; ++i) keys.push_back({ResourceClass::kGroup, random() % kResources});
        absl::InlinedVector<ResourceKey, 8> wanted;
        for (bool done = false; !done;) {
          HeldLocks held(locks);
          ASSERT_TRUE(held.LockAll(wanted));
          done = std::ranges::all_of(keys,
                                     [&](ResourceKey key) { return held.Lock(key).has_value(); });
          if (done) {
            for (const auto& key : keys) ++counters[key.index];
            expected += 3;
          }
          wanted = held.WantedInOrder();
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  int sum = 0;
  for (const int counter : counters) sum += counter;
  EXPECT_EQ(sum, expected);
  EXPECT_EQ(expected, kThreads * kRounds * 3);
}

}  // namespace
}  // namespace holdfast::fsmeta
