// SPDX-License-Identifier: Apache-2.0
// FUSE over io_uring beside the loop over /dev/fuse: which requests and answers go which way.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "daemon/ring_worker.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// Owns the workers of all CPUs, started while INIT is answered if the kernel offers rings. What
/// the kernel never sends over rings (FORGET, INTERRUPT) and takes nowhere else (notifications)
/// goes through /dev/fuse. libfuse knows nothing of rings: it is handed messages and hands back
/// answers. Thread-safe; nothing survives a crash, the kernel ends the mount then.
class RingTransport {
 public:
  /// Handles one whole message, as fuse_session_process_buf does.
  using Handler = std::function<void(std::span<std::byte>)>;

  /// `device`: the mounted channel, outlives this. `workers_per_cpu`: requests that each CPU may
  /// have served at once.
  RingTransport(int device, unsigned workers_per_cpu, Handler handler);
  ~RingTransport() { Stop(); }
  RingTransport(const RingTransport&) = delete;
  RingTransport& operator=(const RingTransport&) = delete;

  /// Reads a request from the device, as read(2).
  ssize_t Receive(void* buffer, size_t size);
  /// Sends an answer of libfuse, or a notification, where it belongs, as writev(2).
  ssize_t Send(std::span<const iovec> message);

  /// After INIT was answered: success if requests come over rings. Else why not, in words that fit
  /// "transport=io_uring: ..."; then they come over the device. ETIMEDOUT if there was no INIT.
  daxcore::Result<void> WaitUntilSettled(absl::Duration timeout);
  /// The workers end; requests that are kept get no answer over rings any more. Idempotent.
  void Stop();

  /// For workers: one request came.
  void Handle(std::span<std::byte> message) { handler_(message); }
  /// For workers: the request in `entry` is not answered yet. Its answer finds it from now on; if
  /// the answer came already, that is fine too. `kept` runs under the lock.
  void Keep(RingEntry& entry, absl::FunctionRef<void()> kept);
  /// For workers: there is no memory for another entry, so this request cannot wait. It is
  /// interrupted (EINTR), for the queue must not run dry.
  void CannotKeep(uint64_t id, const daxcore::Error& why);
  /// For workers, which registered an entry: makes the kernel send a request that means nothing to
  /// the queue of the CPU that this runs on, so that its commit fetches what is queued there.
  /// `node`: a regular file that the kernel knows.
  void Nudge(uint64_t node);

 private:
  ssize_t SendToDevice(std::span<const iovec> message);
  ssize_t AnswerInit(std::span<const iovec> message);
  daxcore::Result<void> Agree(std::span<const iovec> message);
  daxcore::Result<void> PrepareWorkers(size_t payload_size);
  daxcore::Result<void> StartWorkers();
  RingEntry* TakeEntry(uint64_t id);
  RingEntry* FindServedLocked(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InterruptedTooEarly(uint64_t id);
  void Interrupt(uint64_t id);

  const int device_;
  const unsigned workers_per_cpu_;
  const Handler handler_;
  std::vector<std::unique_ptr<RingWorker>> workers_;  // made with INIT, then constant

  size_t queues_ = 0;

  // INIT is not answered yet: until then nothing else comes or goes, and the rest belongs to the
  // thread that handles it.
  std::atomic<bool> settling_{true};
  bool offered_ = false;
  uint64_t init_id_ = 0;

  std::atomic<bool> on_{false};  // requests may come over rings
  absl::Notification settled_;
  daxcore::Result<void> outcome_;  // written before settled_

  std::atomic<uint64_t> nudges_{0};

  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, RingEntry*> kept_ ABSL_GUARDED_BY(mutex_);
  // Interrupts that came before their request, which may also have ended already. The last few.
  std::deque<uint64_t> early_interrupts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::daemon
