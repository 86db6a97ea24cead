// SPDX-License-Identifier: Apache-2.0
// Leases, pins and the breaking of layouts (semantics section 4).
//
// Lock order, outermost first (L2):
//
//   inode I/O lock                 (fsmeta)
//     layout lock of the inode     InodeLayout::layout_lock(), taken by fsmeta
//       entry lock of the inode    inside; held across ExtentMapper::Map
//         inode metadata lock, group, lane   (fsmeta, from Map and QuarantineStore)
//         page table shard         inside
//           waiters, timers        leaves
//
// How fsmeta changes the extents of a range, growth included (L7):
//
//   1. I/O lock exclusive (two inodes: by number), layout lock exclusive;
//   2. Break(layout, range, kUnmap, attempt): Blocked -> drop both locks, park, run again from the
//      start when it wakes (L3, L4); any other error -> drop them and answer;
//   3. the transaction. Blocks in outcome.BusyPartsOf(...) keep their owner count, now held by
//      quarantine, with the outcome's holders on the medium; all others are released as ever;
//      Before its commit, since another file may get the blocks and map them as soon as that is
//      done (P9): FlushDirty(range) for what stays in the file, then DropEntries(range, kTruncate)
//      for all that is not busy. Neither fails;
//   4. after the commit and before the layout lock is dropped: Quarantine(...) for the busy blocks,
//      which does not fail. If the transaction failed: nothing;
//   5. drop the locks; the attempt ends with the request.
//
// A local write (kWrite) needs the I/O lock only, and no step 4, unless it replaces mapped blocks
// (copy on write): that is kUnmap on the blocks it replaces.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/break_attempt.h"
#include "daxcore/layout_metrics.h"
#include "daxcore/layout_types.h"
#include "daxcore/mapping.h"
#include "daxcore/page_table.h"
#include "daxcore/persist.h"
#include "daxcore/quarantine.h"
#include "daxcore/region.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

class LayoutManager;
struct Aftermath;
struct HeldPin;
struct LayoutState;

/// The layout of one live inode: a lock, and a pointer that stays null until somebody leases, maps
/// or pins (L9: then everything about it is O(1); 48 bytes). Owned by the live inode; made when it
/// comes in core, destroyed when it is evicted. Sessions that are open then are left behind by a
/// daemon that ends: what is on record of their processes stays there (L11). DRAM only.
class InodeLayout {
 public:
  InodeLayout(LayoutManager& manager, Ino ino);
  ~InodeLayout();
  InodeLayout(const InodeLayout&) = delete;
  InodeLayout& operator=(const InodeLayout&) = delete;

  /// Exclusive: the extents are about to change. Shared: a new mapping or pin is being made (L2).
  /// Held for one attempt, never while waiting for a client (L4).
  absl::Mutex& layout_lock() ABSL_LOCK_RETURNED(layout_lock_) { return layout_lock_; }
  Ino ino() const { return ino_; }
  /// True if nobody ever leased, mapped or pinned it since it came in core. O(1).
  bool untouched() const { return state_.load(std::memory_order_acquire) == nullptr; }

 private:
  friend class LayoutManager;

  LayoutManager& manager_;
  const Ino ino_;
  absl::Mutex layout_lock_;
  std::atomic<LayoutState*> state_{nullptr};
  std::shared_ptr<LayoutState> owned_state_;  // set once, under the manager's lock
};

/// Everything about layouts of one filesystem: the policies, limits and counters, the quarantine,
/// and the operations on InodeLayouts. Thread-safe. Outlives every InodeLayout and BreakAttempt.
/// What must survive a crash is with the QuarantineStore; everything else is DRAM.
///
/// Nothing here waits for a client: what would have to is answered with Blocked, having changed
/// nothing of the file, and its waitable wakes the request when it is worth another run (L3).
class LayoutManager {
 public:
  struct Options {
    LayoutPolicy policy;
    Ino quarantine_ino{0};             ///< under which quarantined pages are shown
    QuarantineStore* store = nullptr;  ///< null: nothing survives a crash (tests, offline tools)
    LayoutEvents* events = nullptr;    ///< null: nobody to tell
  };

  /// `table` and `timer` outlive the manager. ENFILE if the table has no names left.
  static Result<std::unique_ptr<LayoutManager>> Create(PageTable& table, Timer& timer,
                                                       Options options);
  ~LayoutManager();

  PageTable& table() const { return table_; }
  Timer& timer() const { return timer_; }
  class Quarantine& quarantine() const { return *quarantine_; }
  LayoutMetrics& metrics() { return metrics_; }
  LayoutPolicy policy() const;
  /// Applies to every wait from its next run on (remount).
  void SetPolicy(const LayoutPolicy& policy);

  // --- Breaking -------------------------------------------------------------------------------

  /// Makes `range` of `layout` safe to change for `reason`, or says why not. O(1) if nobody has
  /// mapped or leased anything (L9). kUnmap needs the layout lock exclusive (asserted), the others
  /// the I/O lock. Blocked: a lease was recalled, or a page is busy; nothing changed. EINTR (L5),
  /// EBUSY (policy `fail`), EAGAIN (NeverWait), EINVAL: unknown reason (L6), empty range. With
  /// policy `quarantine` the outcome may name blocks that are still busy.
  Result<BreakOutcome> Break(InodeLayout& layout, FileRange range, BreakReason reason,
                             BreakAttempt& attempt);
  /// Two inodes (L8): the first with waiting, the second without; if the second is busy, Blocked is
  /// on the second, and the caller drops all locks and starts both again. So neither order of two
  /// inodes can deadlock. The same inode twice is allowed.
  Result<std::pair<BreakOutcome, BreakOutcome>> BreakTwo(
      InodeLayout& first, FileRange first_range, BreakReason first_reason, InodeLayout& second,
      FileRange second_range, BreakReason second_reason, BreakAttempt& attempt);

  /// Forgets the entries of `range`: the extents there are about to change (step 3). What was
  /// dirty is not flushed. O(1) if untouched.
  void DropEntries(InodeLayout& layout, FileRange range, Drop how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(layout.layout_lock());
  /// Takes `runs`, which left the file in a committed transaction, into quarantine (step 4). Calls
  /// QuarantineStore::Release on this thread for what became idle meanwhile.
  void Quarantine(InodeLayout& layout, std::span<const FileRun> runs, const BreakOutcome& outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(layout.layout_lock());

  // --- What clients hold ----------------------------------------------------------------------

  /// Grants a lease. Conflicting leases of others are recalled and waited for (Blocked, EINTR,
  /// EAGAIN as Break; EBUSY when a void lease still maps pages after busy_timeout). EINVAL: empty
  /// range or beyond kFileEnd. ENOSPC with a message: over the limit.
  Result<LeaseId> Lease(InodeLayout& layout, const LeaseRequest& request, BreakAttempt& attempt)
      ABSL_SHARED_LOCKS_REQUIRED(layout.layout_lock());
  /// The extents of `range` under `lease`, at most `max_extents` from its start, with a mapping
  /// reference to each page shown. ENOENT: no such lease of this session. ESTALE: it was recalled
  /// or is void. EINVAL: outside the lease. Blocked: an entry is being flushed. EOVERFLOW: the page
  /// has as many references as can be counted.
  Result<std::vector<LayoutExtent>> MapExtents(InodeLayout& layout, SessionId session,
                                               LeaseId lease, FileRange range, size_t max_extents,
                                               ExtentMapper& mapper)
      ABSL_SHARED_LOCKS_REQUIRED(layout.layout_lock());
  /// Gives back `range` of a lease (all of it: kWholeFile) with the mapping references in it.
  /// ENOENT: no such lease of this session. No layout lock: giving back never waits (L4).
  Result<void> Return(InodeLayout& layout, SessionId session, LeaseId lease, FileRange range);

  /// Pins all of `range`, or nothing. EOPNOTSUPP: long-term without an active lease over all of it
  /// (L12). ENXIO: a hole or unwritten block. EINVAL, ENOSPC as Lease; Blocked, EOVERFLOW as
  /// MapExtents.
  Result<PinGrant> Pin(InodeLayout& layout, const PinRequest& request, ExtentMapper& mapper)
      ABSL_SHARED_LOCKS_REQUIRED(layout.layout_lock());
  /// ENOENT: no such pin of this session. Never waits.
  Result<void> Unpin(InodeLayout& layout, SessionId session, PinId pin);

  /// Returns everything held through `session` on this inode. Never waits, never fails.
  void CloseSession(InodeLayout& layout, SessionId session);

  // --- Dirty state (E2, E3) -------------------------------------------------------------------

  /// Flushes every dirty entry in `range` from the CPU caches, without holding a lock while it
  /// does. Entries a write lease still maps stay dirty. O(1) if untouched. The layout lock keeps
  /// the extents.
  void FlushDirty(InodeLayout& layout, FileRange range, Region& region)
      ABSL_SHARED_LOCKS_REQUIRED(layout.layout_lock());

  // --- Crash and failure ----------------------------------------------------------------------

  /// At mount, before the first operation: `process` may hold anything of `ino` since before this
  /// daemon started (a record of AddHolder of this boot). Until it is dead every page of the inode
  /// is busy. Dead already: the record is removed from the store.
  void AdoptHolder(Ino ino, const ProcessId& process);
  /// The inode has no block left, it was deleted: what AdoptHolder said of it is over, and its
  /// number may be used again. Its former blocks are in quarantine with holders of their own.
  void ForgetAdopted(Ino ino);
  /// Tells whoever leases or pins any of `range` that it failed, and drops those references (F3).
  /// Returns the number told.
  size_t FailRange(InodeLayout& layout, FileRange range);
  /// The same for whoever references any of `pages`, which need not be part of a file any more.
  /// O(all that is held).
  size_t FailPages(PfnRange pages);
  /// Tells every holder of every inode, drops all references and entries (F7).
  void FailEverything();

  // --- Questions ------------------------------------------------------------------------------

  /// Who holds what, and what waits for it, over all inodes.
  std::vector<HolderInfo> Holders() const;
  std::vector<WaiterInfo> Waiters() const;
  /// The entries of one inode with the state of their pages, as runs in index order.
  struct PageRun {
    EntryRun entry;
    PageInfo page;
  };
  std::vector<PageRun> Pages(InodeLayout& layout, FileRange range) const;

 private:
  friend class InodeLayout;
  friend class BreakAttempt;
  friend struct LayoutState;

  // What one run of a break found.
  struct Findings {
    bool recall_pending = false;  // a lease that is not void yet
    bool busy = false;
    std::optional<Pfn> page;  // the first busy one; none if it cannot be known
    uint64_t epoch = 0;       // of the state, when this was found
  };
  // What a process holds, against the limits.
  struct Usage {
    uint64_t leases = 0;
    uint64_t pins = 0;
    uint64_t pinned_blocks = 0;
  };

  LayoutManager(PageTable& table, Timer& timer, Options options, MappingId quarantine_name);

  LayoutState* EnsureState(InodeLayout& layout);
  std::vector<std::shared_ptr<LayoutState>> States() const;
  void Finish(Aftermath& after);

  Findings Examine(LayoutState& state, FileRange range, BreakReason reason, SessionId own);
  Result<BreakOutcome> Decide(LayoutState& state, FileRange range, BreakReason reason,
                              BreakAttempt& attempt, const Findings& found);
  BreakOutcome CollectBusy(LayoutState& state, FileRange range);
  BreakAttempt::Place& Enter(BreakAttempt& attempt, LayoutState& state, FileRange range,
                             BreakReason reason, bool gates);
  BreakAttempt::Policy PolicyOf(const BreakAttempt& attempt) const;
  Result<void> MayWait(const BreakAttempt& attempt);
  std::shared_ptr<Waitable> WaitFor(LayoutState& state, FileRange range, uint64_t epoch,
                                    std::optional<Pfn> page, std::optional<TimePoint> deadline);
  std::optional<FileRun> FirstBusy(LayoutState& state, FileRange& range);

  // A timer callback that does nothing once the manager is gone.
  std::move_only_function<void()> Anchored(std::move_only_function<void(LayoutManager&)> fn);
  void LeaseTimeUp(const std::weak_ptr<LayoutState>& weak);

  Findings RecallConflicts(LayoutState& state, const LeaseRequest& request,
                           const BreakAttempt& attempt, Aftermath& after);
  Result<LeaseId> Grant(LayoutState& state, const LeaseRequest& request);
  Result<LeaseId> AwaitLease(LayoutState& state, FileRange range, BreakAttempt& attempt,
                             const Findings& found);
  Result<BlockCount> InsertStep(LayoutState& state, const MappedExtent& extent, bool write);
  Result<LayoutExtent> MapStep(LayoutState& state, SessionId session, LeaseId id, FileRange range,
                               ExtentMapper& mapper);
  static Result<void> MayPin(const LayoutState& state, const HeldPin& pin);
  Result<void> PinAll(LayoutState& state, HeldPin& pin, ExtentMapper& mapper);

  bool Charge(const ProcessId& process, const Usage& more);
  void Discharge(const ProcessId& process, const Usage& less);
  Result<void> Record(LayoutState& state, const Holder& holder);
  void FormerDied(Ino ino, const ProcessId& process);

  PageTable& table_;
  Timer& timer_;
  QuarantineStore* const store_;
  LayoutEvents* const events_;
  const MappingId quarantine_name_;
  LayoutMetrics metrics_;
  std::unique_ptr<class Quarantine> quarantine_;
  std::atomic<uint64_t> next_id_{1};  // of leases and pins
  mutable absl::Mutex mutex_;
  LayoutPolicy policy_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<ProcessId, Usage> usage_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<LayoutState*> states_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Ino, std::vector<ProcessId>> formers_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> any_formers_{false};
  struct Anchor;
  const std::shared_ptr<Anchor> anchor_;
};

}  // namespace holdfast::daxcore
