// SPDX-License-Identifier: Apache-2.0
// Requests that have to wait, without a thread (rules L3, L5; design section 2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "daemon/worker_pool.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

class ParkingLot;

/// A request that was blocked, with everything it needs to run again from the start. Owned by the
/// lot while it waits and by one worker while it runs.
class ParkedRequest {
 public:
  virtual ~ParkedRequest() = default;
  /// Runs it again. Null: it was answered. Else what it waits for now; nothing was changed.
  virtual std::shared_ptr<daxcore::Waitable> Run() = 0;
  /// From now on FUSE INTERRUPT calls `lot.Interrupt(ticket)`; at once if it came already. Any
  /// thread may do so until `StopListening` has returned.
  virtual void Listen(ParkingLot& lot, uint64_t ticket) = 0;
  virtual void StopListening() = 0;
  /// The next Run ends with EINTR instead of waiting.
  virtual void Interrupt() = 0;
  /// Answers with `error` without running: the mount goes away.
  virtual void Abandon(int error) = 0;
};

/// Owns the requests that wait. Thread-safe. What wakes a request (its waitable, INTERRUPT) never
/// runs it: it goes to the worker pool. A thousand parked requests cost memory only.
class ParkingLot {
 public:
  /// `workers` outlives the lot.
  explicit ParkingLot(WorkerPool& workers);
  ~ParkingLot();
  ParkingLot(const ParkingLot&) = delete;
  ParkingLot& operator=(const ParkingLot&) = delete;

  /// Keeps `request` until `blocker` is ready or it is interrupted, then runs it on the pool; as
  /// often as it takes. After Close it is abandoned at once.
  void Park(std::unique_ptr<ParkedRequest> request, std::shared_ptr<daxcore::Waitable> blocker);
  /// Runs everything parked again: what it waited for does not matter any more.
  void WakeAll();
  /// INTERRUPT came for the request of this ticket. Nothing if it is not parked any more.
  void Interrupt(uint64_t ticket);
  /// Abandons everything parked, now and later, with `error`. Requests that just run end by
  /// themselves.
  void Close(int error);

  size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with wake-ups, which may come after the lot is gone
};

}  // namespace holdfast::daemon
