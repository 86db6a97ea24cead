// SPDX-License-Identifier: Apache-2.0
// What a direct client is still to be told, and whom to wake for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/include/holdfast/ioctl.h"

namespace holdfast::daemon {

/// The events of one open file, oldest first. Bounded: a client that never reads them costs that
/// much memory and harms nobody else; what it missed it is told as one LOST. Thread-safe; lost in a
/// crash, with the leases they are about.
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;
  /// Called once, with no lock held, when something was queued.
  using Wake = std::move_only_function<void()>;
  static constexpr size_t kMost = 256;

  struct Taken {
    std::vector<holdfast_event> events;
    bool more = false;
  };

  /// A further RECALL of a lease whose first one was not read yet widens that one. `deadline`: of a
  /// RECALL.
  void Push(const holdfast_event& event, Clock::time_point deadline = {});
  /// Up to `most` events, which leave the queue.
  Taken Take(size_t most, Clock::time_point now);
  /// POLLPRI for anything but failures, POLLERR for failures. `wake`, if there is one, waits for
  /// the next event in the place of the last one.
  short Poll(Wake wake);
  /// Forgets what is queued; who waits goes on waiting.
  void Clear();

 private:
  struct Item {
    holdfast_event event;
    Clock::time_point deadline;
  };
  bool Widen(const holdfast_event& recall) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  Wake wake_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::daemon
