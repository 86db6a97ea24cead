// SPDX-License-Identifier: Apache-2.0
// Threads that run what was woken: reruns of parked requests, and notifications to the kernel.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace holdfast::daemon {

/// Owns a few threads, started as they are needed, and a queue of jobs. Thread-safe. Nothing of it
/// survives a crash; whoever posts a job must be able to lose it at shutdown.
class WorkerPool {
 public:
  explicit WorkerPool(size_t max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs `job` soon, in no particular order with other jobs. After Stop it is dropped.
  void Post(std::move_only_function<void()> job);
  /// Runs `job` now if this is a thread of the pool or the pool was stopped, else posts it.
  void RunOrPost(std::move_only_function<void()> job);
  /// Runs what is queued, then ends the threads. Not from a job.
  void Stop();

  size_t threads() const;

 private:
  void Work();

  const size_t max_threads_;
  mutable absl::Mutex mutex_;
  std::deque<std::move_only_function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::daemon
