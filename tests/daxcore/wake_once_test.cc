// SPDX-License-Identifier: Apache-2.0
// Wake-ups happen once, and lists of them do not grow without bound.
#include "daxcore/wake_once.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace holdfast::daxcore {
namespace {

TEST(WakeOnce, FiresOnceFromManyThreads) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> count{0};
    WakeOnce wake([&] { ++count; });
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { wake.Fire(); });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(count, 1);
    EXPECT_TRUE(wake.fired());
  }
}

TEST(WakeOnce, ReleasesWhatItHeldWhenItFires) {
  auto held = std::make_shared<int>(1);
  WakeOnce wake([held] {});
  EXPECT_EQ(held.use_count(), 2);
  wake.Fire();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(WakeList, ForgetsWaitsThatEndedOtherwise) {
  WakeList list;
  auto held = std::make_shared<int>(1);
  for (int i = 0; i < 1000; ++i) {
    auto wait = std::make_shared<WakeOnce>([] {});
    list.Add(wait);
    wait->Fire();
  }
  auto live = std::make_shared<WakeOnce>([] {});
  list.Add(live);
  EXPECT_LE(list.Take().size(), 20U);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace holdfast::daxcore
