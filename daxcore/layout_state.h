// SPDX-License-Identifier: Apache-2.0
// What an inode's layout holds once somebody leased, mapped or pinned it. Private to layout*.cc.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/break_attempt.h"
#include "daxcore/layout_types.h"
#include "daxcore/mapping.h"
#include "daxcore/range_set.h"
#include "daxcore/run_set.h"
#include "daxcore/wake_once.h"

namespace holdfast::daxcore {

class LayoutManager;

/// A lease, from its grant until nothing of it is left.
struct HeldLease {
  LeaseId id;
  Holder holder;
  bool write = false;
  bool exclusive = false;
  LeaseState state = LeaseState::kActive;
  RangeSet ranges;    ///< file blocks it covers
  RangeSet recalled;  ///< those of them that were asked back
  RunSet mapped;      ///< blocks it has mapping references to
  TimePoint recalled_at;
  TimePoint deadline;   ///< of the recall (L13)
  Timer::Id timer = 0;  ///< 0 unless recalled
  std::chrono::system_clock::time_point since;

  bool Covers(FileRange r) const { return ranges.Contains(r.start.value(), r.end.value()); }
  bool Touches(FileRange r) const { return ranges.Overlaps(r.start.value(), r.end.value()); }
  HolderInfo Describe(Ino ino) const;
};

struct HeldPin {
  PinId id;
  Holder holder;
  FileRange range;
  bool write = false;
  bool long_term = false;
  RunSet runs;
  BlockCount charged{0};  ///< counted against the process's limit
  std::chrono::system_clock::time_point since;

  HolderInfo Describe(Ino ino) const;
};

/// What is left to do once no lock is held: put references, wake requests, tell holders.
struct Aftermath {
  struct Notice {
    enum class Kind { kRecalled, kVoided, kFailed, kRemoved } kind;
    SessionId session;
    LeaseId lease;
    Ino ino;
    FileRange range;
    std::chrono::milliseconds time{0};
  };
  std::vector<std::pair<PfnRange, Reference>> puts;
  std::vector<std::shared_ptr<WakeOnce>> wakes;
  std::vector<Notice> notices;

  void Put(const std::vector<FileRun>& runs, Reference kind);
};

/// Owns everything about one inode's layout but its lock. Shared with attempts that wait and timers
/// that run, hence counted; `closed` once the inode has left the core. `mutex` is the entry lock.
struct LayoutState : std::enable_shared_from_this<LayoutState> {
  LayoutState(LayoutManager& manager_in, Ino ino_in) : manager(manager_in), ino(ino_in) {}

  /// A parked or running request, as others see it.
  struct Pending {
    const BreakAttempt* attempt;
    WaiterInfo about;
    bool gates;  ///< new leases wait for it
  };
  struct RangeWait {
    FileRange range;
    std::shared_ptr<WakeOnce> wake;
  };

  HeldLease* FindLease(SessionId session, LeaseId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// True if `process` has a lease or a pin.
  bool Holds(const ProcessId& process) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// The mapping, made at first use. ENFILE.
  Result<Mapping*> EnsureMapping() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  /// Recalls `lease` for `range`, if that was not done.
  void Recall(HeldLease& lease, FileRange range, std::chrono::milliseconds break_time,
              Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// Makes recalled leases void whose time is over (L13).
  void VoidExpired(Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// Takes `range` off a lease, and the lease off the list with its last block.
  void GiveBack(HeldLease& lease, FileRange range, Aftermath& after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void EndPin(HeldPin& pin, Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void CloseSession(SessionId session, Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// Takes a closed session off the record; returns its process if that was the last one.
  std::optional<ProcessId> ForgetSession(SessionId session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// Drops the references that anybody has to `range`, and tells them (F3). Returns how many.
  size_t Fail(FileRange range, Aftermath& after,
              Aftermath::Notice::Kind kind = Aftermath::Notice::Kind::kFailed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  /// The same by page, wherever in the file it was when it was referenced.
  size_t FailPages(PfnRange pages, Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  /// Do pins for stores reach into `range`, or what a void write lease still maps? Active leases
  /// are not asked about: they are recalled.
  bool MayBeStoredTo(FileRange range) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// May `process` hold something unseen by us?
  bool IsFormer(const ProcessId& process) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return std::ranges::find(formers, process) != formers.end();
  }
  /// Something about leases, formers or locked entries in `range` changed: wakes who waits for
  /// that.
  void Changed(FileRange range, Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void AddWait(FileRange range, std::shared_ptr<WakeOnce> wake)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  /// The attempt is over.
  void Leave(const BreakAttempt* attempt, Aftermath& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  /// Whoever may touch pages of `range`, as far as this inode knows.
  std::vector<ProcessId> HoldersOf(FileRange range) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  LayoutManager& manager;
  const Ino ino;
  mutable absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::unique_ptr<Mapping> mapping ABSL_GUARDED_BY(mutex);
  absl::btree_map<LeaseId, std::unique_ptr<HeldLease>> leases ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<PinId, std::unique_ptr<HeldPin>> pins ABSL_GUARDED_BY(mutex);
  std::vector<ProcessId> formers ABSL_GUARDED_BY(mutex);  // may hold anything, unseen by us
  // Sessions of each process on record as a holder (QuarantineStore::AddHolder).
  absl::flat_hash_map<ProcessId, absl::flat_hash_set<SessionId>> recorded ABSL_GUARDED_BY(mutex);
  std::vector<Pending> pending ABSL_GUARDED_BY(mutex);
  std::vector<RangeWait> waits ABSL_GUARDED_BY(mutex);
  size_t purge_waits_at ABSL_GUARDED_BY(mutex) = 16;
  uint64_t epoch ABSL_GUARDED_BY(mutex) = 0;  // counts Changed
};

}  // namespace holdfast::daxcore
