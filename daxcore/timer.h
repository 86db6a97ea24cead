// SPDX-License-Identifier: Apache-2.0
// Time and the ends of processes, as events: what waits is woken by these, never by polling.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "daxcore/process.h"

namespace holdfast::daxcore {

using TimePoint = std::chrono::steady_clock::time_point;

/// Where deadlines and exits come from. Tests put a clock here that they turn by hand. Thread-safe.
/// Callbacks run on the timer's own thread, without any lock of the caller; they must be short.
class Timer {
 public:
  using Id = uint64_t;  ///< never 0

  virtual ~Timer() = default;
  virtual TimePoint Now() const = 0;
  /// Calls `fn` once at `when`, or soon if that has passed.
  virtual Id At(TimePoint when, std::move_only_function<void()> fn) = 0;
  /// Calls `fn` once when `process` has ended; soon if it has.
  virtual Id AtExit(const ProcessId& process, std::move_only_function<void()> fn) = 0;
  /// Forgets a callback that did not run yet. It may be running just now: does not wait for it.
  virtual void Cancel(Id id) = 0;
};

}  // namespace holdfast::daxcore
