// SPDX-License-Identifier: Apache-2.0
// A thread with an io_uring of its own that serves the requests of one CPU.
#pragma once

#include <liburing.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/file_descriptor.h"
#include "daemon/ring_entry.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

class RingTransport;

/// Owns a thread, bound to the CPU whose queue in the kernel it serves, its ring, and the entries
/// registered through it. While the thread has nothing to do, one entry at least waits for a
/// request; a thread that serves one has none to spare, so that the next request goes to another
/// worker of the same CPU. An entry whose request is kept for later is replaced by a new one: a
/// queue never runs dry. Prepare, Start and Stop belong to one thread, the rest says.
class RingWorker {
 public:
  /// `transport` and the channel `device` outlive the worker.
  RingWorker(RingTransport& transport, int device, unsigned cpu, size_t payload_size);
  ~RingWorker() { Stop(); }
  RingWorker(const RingWorker&) = delete;
  RingWorker& operator=(const RingWorker&) = delete;

  /// Makes the ring and the first entry, tells the kernel nothing. ENOSYS, EPERM where io_uring
  /// is not allowed, ENOMEM, EAGAIN (threads).
  daxcore::Result<void> Prepare();
  /// Registers the entry with the kernel, which must have taken INIT's answer, and begins to serve.
  daxcore::Result<void> Start();
  /// Waits for the request that is being served; kept ones get no answer any more. Idempotent.
  void Stop();

  /// The worker whose thread this is, or null.
  static RingWorker* Current();

  /// Is the request that is being served this one? Any thread.
  bool IsServing(uint64_t id) const;
  /// The entry of the request that is being served, if it has this id. On the worker's own thread,
  /// or with the lock that `RingTransport::Keep` takes.
  RingEntry* Serving(uint64_t id) const;
  /// The answer is in `entry`: gives it to the kernel. Any thread.
  void Commit(RingEntry& entry);

 private:
  void Run();
  daxcore::Result<void> MakeRing();
  daxcore::Result<void> MakeEntry();
  daxcore::Result<void> RegisterFirst();
  void Loop();
  void HandleCompletions();
  void Complete(uint64_t tag, int result);
  void Serve(RingEntry& entry);
  void Keep(RingEntry& entry);
  void CommitLate();
  void Submit(RingEntry& entry, RingCommandCode code);
  void ListenForWakeUps();
  void WakeUp();
  io_uring_sqe* NextSubmission();

  RingTransport& transport_;
  const int device_;
  const unsigned cpu_;
  const size_t payload_size_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};

  // Steps of the beginning: the thread makes the ring, may go on, has registered.
  absl::Notification prepared_;
  absl::Notification may_start_;
  absl::Notification started_;
  daxcore::Result<void> outcome_;  // of the last step, written before its notification

  // The thread's own.
  io_uring ring_{};
  uint64_t wake_ups_ = 0;  // where the ring reads the event descriptor to
  std::vector<std::unique_ptr<RingEntry>> entries_;
  size_t kept_ = 0;        // of the entries: hold a request that is answered later
  bool answered_ = false;  // the request that is being served, by this thread

  std::atomic<uint64_t> serving_id_{0};  // 0: none; set after serving_
  RingEntry* serving_ = nullptr;

  FileDescriptor event_;
  absl::Mutex late_mutex_;
  std::vector<RingEntry*> late_ ABSL_GUARDED_BY(late_mutex_);  // answered by other threads
};

}  // namespace holdfast::daemon
