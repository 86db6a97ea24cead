// SPDX-License-Identifier: Apache-2.0
// What every operation of a mount works with.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "daemon/direct_sessions.h"
#include "daemon/features.h"
#include "daemon/handle_table.h"
#include "daemon/metrics.h"
#include "daemon/options.h"
#include "daemon/parking_lot.h"
#include "daemon/snapshots.h"
#include "daemon/worker_pool.h"
#include "fsmeta/filesystem.h"

namespace holdfast::daemon {

class RingTransport;

/// Threads for reruns of parked requests. They run to their end without waiting, so few are enough.
inline constexpr size_t kRerunThreads = 4;
/// Threads for invalidations. Those wait until the kernel has written dirty pages back, through
/// other threads: neither those that serve requests nor those that rerun them may do it.
inline constexpr size_t kNotifierThreads = 2;

/// Owns the mounted filesystem and everything the daemon keeps beside it. Thread-safe. What
/// survives a crash is in the filesystem; the rest is made anew.
class Service {
 public:
  /// `direct` is what the filesystem was mounted to tell of recalls; without it nobody is told.
  Service(Options options, std::unique_ptr<fsmeta::Filesystem> filesystem,
          std::unique_ptr<DirectSessions> direct = std::make_unique<DirectSessions>());

  fsmeta::Filesystem& filesystem() { return *filesystem_; }
  const Options& options() const { return options_; }
  Metrics& metrics() { return metrics_; }
  const Metrics& metrics() const { return metrics_; }
  HandleTable& handles() { return handles_; }
  DirectSessions& direct() { return *direct_; }
  Snapshots& snapshots() { return snapshots_; }
  ParkingLot& parking_lot() { return parking_lot_; }
  const ParkingLot& parking_lot() const { return parking_lot_; }
  WorkerPool& workers() { return workers_; }
  WorkerPool& notifiers() { return notifiers_; }

  /// How the kernel is told; the session sets it before requests come.
  using InvalidateFile = std::function<void(daxcore::Ino)>;
  void set_invalidate_file(InvalidateFile fn) { invalidate_file_ = std::move(fn); }
  /// Makes the kernel write back and forget the pages and attributes it keeps of a file, which
  /// changes, or changed, without it. Only on a notifier's thread.
  void InvalidateInKernel(daxcore::Ino ino) const {
    if (invalidate_file_) invalidate_file_(ino);
  }

  /// How bytes are put in the pages that the kernel keeps of a file; the session sets it as well.
  using StoreInKernel = std::function<void(daxcore::Ino, uint64_t offset, std::byte)>;
  void set_store_in_kernel(StoreInKernel fn) { store_in_kernel_ = std::move(fn); }
  /// Makes the kernel know that a file became longer without it. Until it asks for attributes again
  /// it would go on to append where the file ended before, over what is there now, and to copy and
  /// map nothing past that; only a byte stored in its pages raises the size it goes by. Nothing but
  /// attributes it asked for makes it smaller. Only on a notifier's thread, and only for the
  /// operation that wrote the last byte: a store to it through a mapping meanwhile may be lost.
  void ShowNewEnd(daxcore::Ino ino) const;

  /// InvalidateInKernel, soon, from any thread.
  void InvalidateSoon(daxcore::Ino ino) {
    notifiers_.Post([this, ino] { InvalidateInKernel(ino); });
  }

  /// Set once, while INIT is answered and before any other request.
  void SetFeatures(const Features& features) {
    features_ = features;
    negotiated_.Notify();
  }
  const Features& features() const { return features_; }

  /// Where requests and answers pass if they may go over io_uring; null if not. Set by the session
  /// before requests come.
  RingTransport* rings() const { return rings_; }
  void set_rings(RingTransport* rings) { rings_ = rings; }
  /// Requests really come over io_uring. Known once the session has settled it.
  bool over_io_uring() const { return over_io_uring_.load(); }
  void set_over_io_uring(bool on) { over_io_uring_.store(on); }
  /// Waits for INIT; false if it did not come in that time.
  bool WaitUntilNegotiated(absl::Duration timeout) {
    return negotiated_.WaitForNotificationWithTimeout(timeout);
  }
  /// Where it is mounted; empty in tests without a mount.
  void set_mountpoint(std::string path) { mountpoint_ = std::move(path); }
  const std::string& mountpoint() const { return mountpoint_; }

  /// No more requests come: answers those that are parked and waits for those that run. Writes lazy
  /// timestamps.
  daxcore::Result<void> Finish();

 private:
  const Options options_;
  const std::unique_ptr<DirectSessions> direct_;  // outlives the filesystem, which tells it
  std::unique_ptr<fsmeta::Filesystem> filesystem_;
  Features features_;
  RingTransport* rings_ = nullptr;
  std::atomic<bool> over_io_uring_{false};
  absl::Notification negotiated_;
  std::string mountpoint_;
  Metrics metrics_;
  HandleTable handles_;
  Snapshots snapshots_;
  InvalidateFile invalidate_file_;
  StoreInKernel store_in_kernel_;
  WorkerPool notifiers_{kNotifierThreads};
  WorkerPool workers_{kRerunThreads};
  ParkingLot parking_lot_{workers_};
};

}  // namespace holdfast::daemon
