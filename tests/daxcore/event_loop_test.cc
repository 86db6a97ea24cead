// SPDX-License-Identifier: Apache-2.0
// The timer of a running daemon.
#include "daxcore/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <vector>

namespace holdfast::daxcore {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, RunsDeadlinesInOrderAndNeverEarly) {
  auto loop = *EventLoop::Start();
  std::vector<int> order;
  std::promise<void> done;
  const TimePoint start = loop->Now();
  TimePoint ran;
  loop->At(start + milliseconds(30), [&] {
    order.push_back(2);
    ran = loop->Now();
    done.set_value();
  });
  loop->At(start + milliseconds(10), [&] { order.push_back(1); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_GE(ran, start + milliseconds(30));
}

TEST(EventLoop, APassedDeadlineRunsSoon) {
  auto loop = *EventLoop::Start();
  std::promise<void> done;
  loop->At(loop->Now() - milliseconds(5), [&] { done.set_value(); });
  done.get_future().wait();
}

TEST(EventLoop, CancelledCallbacksDoNotRun) {
  auto loop = *EventLoop::Start();
  std::promise<void> done;
  bool ran = false;
  const Timer::Id id = loop->At(loop->Now() + milliseconds(20), [&] { ran = true; });
  loop->At(loop->Now() + milliseconds(40), [&] { done.set_value(); });
  loop->Cancel(id);
  loop->Cancel(id);
  loop->Cancel(12345);
  done.get_future().wait();
  EXPECT_FALSE(ran);
}

TEST(EventLoop, CallbacksMayUseTheLoop) {
  auto loop = *EventLoop::Start();
  std::promise<void> done;
  loop->At(loop->Now(), [&] { loop->At(loop->Now(), [&] { done.set_value(); }); });
  done.get_future().wait();
}

TEST(EventLoop, TellsTheEndOfAProcess) {
  auto loop = *EventLoop::Start();
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  std::promise<void> ended;
  auto future = ended.get_future();
  loop->AtExit(*Identify(child), [&] { ended.set_value(); });
  EXPECT_EQ(future.wait_for(milliseconds(20)), std::future_status::timeout);
  kill(child, SIGKILL);
  future.wait();
  waitpid(child, nullptr, 0);
}

TEST(EventLoop, ManyMayWaitForOneProcessAtTheCostOfOneDescriptor) {
  const auto open_descriptors = [] {
    return std::ranges::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                 std::filesystem::directory_iterator());
  };
  auto loop = *EventLoop::Start();
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const ProcessId process = *Identify(child);
  const auto before = open_descriptors();
  std::vector<int> order;
  std::vector<Timer::Id> ids(100);
  std::promise<void> done;
  for (int i = 0; i < 100; ++i) {
    ids[static_cast<size_t>(i)] = loop->AtExit(process, [&, i] {
      order.push_back(i);
      if (i == 1) loop->Cancel(ids[2]);
      if (i == 99) done.set_value();
    });
  }
  EXPECT_EQ(open_descriptors(), before + 1);
  loop->Cancel(ids[0]);
  kill(child, SIGKILL);
  done.get_future().wait();
  EXPECT_EQ(order.size(), 98U);
  EXPECT_EQ(order[0], 1);
  EXPECT_EQ(order[1], 3);
  while (open_descriptors() != before) usleep(1000);
  waitpid(child, nullptr, 0);
}

TEST(EventLoop, AProcessThatIsGoneHasEnded) {
  auto loop = *EventLoop::Start();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  std::promise<void> gone, replaced;
  loop->AtExit({child, 1}, [&] { gone.set_value(); });
  loop->AtExit({getpid(), 1}, [&] { replaced.set_value(); });
  gone.get_future().wait();
  replaced.get_future().wait();
}

TEST(EventLoop, EndsWithCallbacksPending) {
  bool ran = false;
  {
    auto loop = *EventLoop::Start();
    loop->At(loop->Now() + std::chrono::hours(1), [&] { ran = true; });
    loop->AtExit(*Identify(getpid()), [&] { ran = true; });
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace holdfast::daxcore
