// SPDX-License-Identifier: Apache-2.0
// The gate: who is inside is waited for, who comes later waits (rule F7).
#include "fsmeta/operation_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace holdfast::fsmeta {
namespace {

TEST(OperationGateTest, F7ManyAreInsideAtOnceAndLeaveInAnyOrder) {
  OperationGate gate;
  std::optional<OperationGate::Pass> first(gate.Enter());
  const auto second = gate.Enter();
  first.reset();
  const auto third = gate.Enter();
}

TEST(OperationGateTest, F7ClosingWaitsForThoseInside) {
  OperationGate gate;
  std::optional<OperationGate::Pass> inside(gate.Enter());
  std::atomic<bool> left = false;
  absl::Notification closing;
  std::thread closer([&] {
    closing.Notify();
    gate.Close();
    EXPECT_TRUE(left.load());
  });
  closing.WaitForNotification();
  left = true;
  inside.reset();
  closer.join();
  gate.Open();
}

TEST(OperationGateTest, F7WhoComesWhileItIsClosedWaitsUntilItIsOpen) {
  OperationGate gate;
  gate.Close();
  std::atomic<bool> open = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto inside = gate.Enter();
      EXPECT_TRUE(open.load());
    });
  }
  open = true;
  gate.Open();
  for (std::thread& thread : threads) thread.join();
}

TEST(OperationGateTest, F7NobodyIsInsideWhileItIsClosed) {
  OperationGate gate;
  std::atomic<int> inside = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto pass = gate.Enter();
        ++inside;
        --inside;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    gate.Close();
    EXPECT_EQ(inside.load(), 0);
    std::this_thread::yield();
    EXPECT_EQ(inside.load(), 0);
    gate.Open();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace holdfast::fsmeta
