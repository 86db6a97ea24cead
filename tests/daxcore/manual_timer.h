// SPDX-License-Identifier: Apache-2.0
// A timer whose clock stands still until the test turns it, and whose processes die by order.
#pragma once

#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/timer.h"

namespace holdfast::tests {

/// Owns callbacks that have not run. Thread-safe; callbacks run in Advance and Kill, with no lock.
class ManualTimer final : public daxcore::Timer {
 public:
  daxcore::TimePoint Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }

  Id At(daxcore::TimePoint when, std::move_only_function<void()> fn) override {
    absl::MutexLock lock(&mutex_);
    deadlines_.emplace(std::pair(when, next_id_), std::move(fn));
    return next_id_++;
  }

  Id AtExit(const daxcore::ProcessId& process, std::move_only_function<void()> fn) override {
    absl::MutexLock lock(&mutex_);
    exits_.emplace_back(process, std::move(fn));
    return next_id_++;
  }

  void Cancel(Id id) override {
    absl::MutexLock lock(&mutex_);
    std::erase_if(deadlines_, [id](const auto& d) { return d.first.second == id; });
  }

  /// Runs everything that is due by then.
  void Advance(std::chrono::milliseconds by) {
    const daxcore::TimePoint end = Now() + by;
    for (;;) {
      std::move_only_function<void()> fn;
      {
        absl::MutexLock lock(&mutex_);
        if (deadlines_.empty() || deadlines_.begin()->first.first > end) break;
        now_ = std::max(now_, deadlines_.begin()->first.first);
        fn = std::move(deadlines_.begin()->second);
        deadlines_.erase(deadlines_.begin());
      }
      fn();
    }
    absl::MutexLock lock(&mutex_);
    now_ = end;
  }

  /// Runs what waits for the end of `process`.
  void Kill(const daxcore::ProcessId& process) {
    std::vector<std::move_only_function<void()>> run;
    {
      absl::MutexLock lock(&mutex_);
      for (auto it = exits_.begin(); it != exits_.end();) {
        if (it->first == process) {
          run.push_back(std::move(it->second));
          it = exits_.erase(it);
        } else {
          ++it;
        }
      }
    }
    for (auto& fn : run) fn();
  }

  size_t pending_deadlines() const {
    absl::MutexLock lock(&mutex_);
    return deadlines_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  daxcore::TimePoint now_ ABSL_GUARDED_BY(mutex_){std::chrono::hours(1)};
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::pair<daxcore::TimePoint, Id>, std::move_only_function<void()>> deadlines_
      ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<daxcore::ProcessId, std::move_only_function<void()>>> exits_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::tests
