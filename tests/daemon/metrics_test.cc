// SPDX-License-Identifier: Apache-2.0
// Counters over threads.
#include "daemon/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;

TEST(Metrics, SumsOverThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 40; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) metrics.Count(Op::kRead, 3us, i % 10 == 0);
    });
  }
  for (auto& thread : threads) thread.join();
  const OpTotals totals = metrics.Totals(Op::kRead);
  EXPECT_EQ(totals.count, 4000U);
  EXPECT_EQ(totals.errors, 400U);
  EXPECT_EQ(totals.sum_us, 12000U);
  EXPECT_EQ(totals.buckets[2], 4000U) << "3 us lies below 4 and not below 2";
  EXPECT_EQ(metrics.Totals(Op::kWrite).count, 0U);
}

TEST(Metrics, EveryOperationHasItsOwnName) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kOpCount; ++i) names.insert(NameOf(static_cast<Op>(i)));
  EXPECT_EQ(names.size(), kOpCount);
}

}  // namespace
}  // namespace holdfast::daemon
