// SPDX-License-Identifier: Apache-2.0
// The timer of a running daemon: one thread that sleeps until a deadline or the end of a process.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/timer.h"

namespace holdfast::daxcore {

/// Owns a thread and an epoll descriptor. Deadlines come from epoll's timeout, ends of processes
/// from pidfds. Thread-safe; not to be destroyed from a callback. Callbacks that are pending at
/// destruction never run. Start it after forking.
class EventLoop final : public Timer {
 public:
  /// EMFILE and the like.
  static Result<std::unique_ptr<EventLoop>> Start();
  ~EventLoop() override;

  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  Id At(TimePoint when, std::move_only_function<void()> fn) override;
  Id AtExit(const ProcessId& process, std::move_only_function<void()> fn) override;
  void Cancel(Id id) override;

 private:
  struct Watch {
    std::optional<ProcessId> process;  // else
    TimePoint when;                    // of a deadline
    std::move_only_function<void()> fn;
  };
  // A process that is watched: however many wait for its end, it costs one descriptor.
  struct Exit {
    int pidfd;
    Id key;                // in the epoll set
    std::set<Id> watches;  // never empty
  };

  EventLoop() = default;
  Id NewId();
  void WatchDeadline(Id id, TimePoint when, std::move_only_function<void()> fn);
  bool JoinWatch(Id id, const ProcessId& process, std::move_only_function<void()>& fn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WatchExit(Id id, const ProcessId& process, std::move_only_function<void()> fn);
  void Run();
  int NextTimeout();
  void RunDue();
  void RunExit(Id key);
  std::move_only_function<void()> Take(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();

  int epoll_ = -1;
  int wake_ = -1;  // eventfd: a new earliest deadline, or the end
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<Id, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  std::multimap<TimePoint, Id> deadlines_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<ProcessId, Exit> exits_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Id, ProcessId> processes_ ABSL_GUARDED_BY(mutex_);  // by key
  std::thread thread_;
};

}  // namespace holdfast::daxcore
