// SPDX-License-Identifier: Apache-2.0
// The worker pool.
#include "daemon/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace holdfast::daemon {
namespace {

TEST(WorkerPool, StartsNoThreadBeforeThereIsWork) {
  WorkerPool pool(4);
  EXPECT_EQ(pool.threads(), 0U);
}

TEST(WorkerPool, RunsJobsSideBySideUpToItsLimit) {
  absl::BlockingCounter all_in(3);
  absl::Notification leave;
  WorkerPool pool(3);  // ends first: its jobs use what is above
  for (int i = 0; i < 3; ++i) {
    pool.Post([&] {
      all_in.DecrementCount();
      leave.WaitForNotification();
    });
  }
  all_in.Wait();
  pool.Post([] {});
  EXPECT_EQ(pool.threads(), 3U);
  leave.Notify();
}

TEST(WorkerPool, StopRunsWhatIsQueuedAndDropsWhatComesLater) {
  WorkerPool pool(1);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) pool.Post([&] { ran.fetch_add(1); });
  pool.Stop();
  EXPECT_EQ(ran, 100);
  pool.Post([&] { ran.fetch_add(1); });
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace holdfast::daemon
