// SPDX-License-Identifier: Apache-2.0
// Threads that read requests from the FUSE channel and handle them.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

struct fuse_session;

namespace holdfast::daemon {

/// Owns as many threads as requests were ever handled at once, up to a limit: few threads stay warm
/// when there is little to do. Start and Stop belong to one thread.
class DeviceLoop {
 public:
  /// `session` outlives the loop.
  DeviceLoop(fuse_session* session, size_t max_threads);
  ~DeviceLoop() { Stop(); }
  DeviceLoop(const DeviceLoop&) = delete;
  DeviceLoop& operator=(const DeviceLoop&) = delete;

  /// `ended` runs once, on the thread that first sees that the channel is closed.
  void Start(std::function<void()> ended);
  /// Interrupts waiting threads, waits for busy ones. Idempotent.
  void Stop();

 private:
  void Run();
  void AddThread();
  void End();

  fuse_session* const session_;
  const size_t max_threads_;
  std::function<void()> ended_;
  std::atomic<bool> end_told_{false};
  std::atomic<size_t> idle_{0};     // threads that wait for a request
  std::atomic<size_t> running_{0};  // threads that have not left Run
  std::atomic<bool> full_{false};   // there are as many threads as there may be
  absl::Mutex mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::daemon
