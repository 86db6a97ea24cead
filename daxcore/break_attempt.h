// SPDX-License-Identifier: Apache-2.0
// One request's memory over its reruns: since when it waits, and whether it was interrupted.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "daxcore/layout_types.h"

namespace holdfast::daxcore {

struct LayoutState;

/// Kept by the caller with a request that may wait for clients, from its first run to its reply.
/// While the request lives, ranges it had to wait for count as about to change: sessions that hold
/// nothing of the inode get no new lease there (so that recalled leases are not taken again at
/// once), but whoever holds something may go on and finish (L4). One run at a time; `Interrupt`
/// from any thread.
class BreakAttempt {
 public:
  /// `operation` and `pid` are what `holdfast busy` shows. `session`: of a plain write by a client,
  /// its own, whose leases the write does not recall; no other operation may name one.
  explicit BreakAttempt(std::string operation = "", pid_t pid = 0, SessionId session = {});
  /// The request is over.
  ~BreakAttempt();
  BreakAttempt(const BreakAttempt&) = delete;
  BreakAttempt& operator=(const BreakAttempt&) = delete;

  /// From now on the request ends with EINTR instead of waiting (L5). Whoever calls this also runs
  /// the request again.
  void Interrupt() { interrupted_.store(true, std::memory_order_release); }
  bool interrupted() const { return interrupted_.load(std::memory_order_acquire); }

  /// Not interruptible (the break of a dying inode, L10). Before the first run.
  void IgnoreInterrupts() { interruptible_ = false; }
  /// Instead of the mount's: what to do with busy pages, and when. A timeout of 0 is for ever,
  /// except with kQuarantine, where it means at once. Before the first run.
  void OverridePolicy(BusyPolicy policy, std::chrono::milliseconds busy_timeout);
  /// Never wait: what would block fails with EAGAIN. Before the first run.
  void NeverWait() { may_wait_ = false; }

 private:
  friend class LayoutManager;

  // A range of an inode that this request had to wait for.
  struct Place {
    std::shared_ptr<LayoutState> state;
    FileRange range;
    BreakReason reason;
    std::optional<TimePoint> started;  // the wait that is going on
  };
  struct Policy {
    BusyPolicy busy;
    std::optional<std::chrono::milliseconds> timeout;  // none: for ever
  };

  const std::string operation_;
  const pid_t pid_;
  const SessionId session_;
  std::atomic<bool> interrupted_{false};
  bool interruptible_ = true;
  bool may_wait_ = true;
  std::optional<Policy> policy_;
  absl::InlinedVector<Place, 2> places_;
};

}  // namespace holdfast::daxcore
