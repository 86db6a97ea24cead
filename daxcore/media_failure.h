// SPDX-License-Identifier: Apache-2.0
// Failed memory: reading and writing past it without dying, and telling who it hurts (section 6).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/failure_holder.h"
#include "daxcore/layout.h"
#include "daxcore/range_set.h"
#include "daxcore/region.h"
#include "daxcore/result.h"
#include "daxcore/sigbus.h"

namespace holdfast::daxcore {

/// Owns the knowledge of which pages of a region are bad, and survives touching them: a SIGBUS
/// inside the region is caught. Thread-safe. One object per region; several in a process. Bad pages
/// that the medium itself lists are known again after a crash, others when they are met again.
///
/// Data is touched through CopyOut, CopyNt, ZeroNt, Store, CopyWithin: they answer EIO at a bad
/// page (F1). The kernel's own copies (a write(2) from the region) answer EFAULT by themselves; the
/// caller makes that EIO, or asks CheckReadable. A plain load by other code, for example of
/// metadata, does not kill either: the page is replaced, for this process, by one of zeroes,
/// recorded, and `poisoned_loads` grows; a checksum then does not fit, and whoever notices asks
/// IsBad and answers EIO.
class MediaFailure {
 public:
  /// Catches SIGBUS from now on for `region`, which outlives this. The medium's own list of bad
  /// ranges is the first content. ENFILE when 64 regions are watched.
  static Result<std::unique_ptr<MediaFailure>> Watch(Region& region);
  ~MediaFailure();
  MediaFailure(const MediaFailure&) = delete;
  MediaFailure& operator=(const MediaFailure&) = delete;

  /// True if any page of [offset, offset + n) is known bad. O(1) while none is.
  bool IsBad(uint64_t offset, uint64_t n) const;
  /// How many bytes of [offset, offset + n) lie before its first page known bad. O(1) while none
  /// is.
  uint64_t GoodPrefix(uint64_t offset, uint64_t n) const;
  /// EIO if IsBad, naming the first bad page; else success.
  Result<void> CheckReadable(uint64_t offset, uint64_t n) const;

  Region& region() const { return region_; }
  /// Touches every page of the range, so that the bad ones are known. EIO if there are any.
  Result<void> Probe(uint64_t offset, uint64_t n) const;

  /// Copies out of the region. EIO at a bad page; then `dst` holds part of it.
  Result<void> CopyOut(void* dst, uint64_t offset, size_t n) const;
  /// The verbs, guarded. EIO at a bad page; then a part may have been stored.
  Result<void> CopyNt(uint64_t offset, const void* src, size_t n) const;
  Result<void> ZeroNt(uint64_t offset, size_t n) const;
  Result<void> Store(uint64_t offset, const void* src, size_t n) const;
  /// Copies inside the region (copy on write): EIO if either side is bad.
  Result<void> CopyWithin(uint64_t to, uint64_t from, size_t n) const;

  /// Pages met bad since the last call, as ranges of bytes: the daemon reports each with Notify.
  std::vector<ByteRange> TakeNewlyMet();
  /// Becomes readable when there are such (poll, epoll; read it to clear).
  int event_fd() const { return memory_.event_fd; }
  uint64_t poisoned_loads() const { return memory_.poisoned_loads.load(std::memory_order_acquire); }
  /// Where the first of them was, bytes of the region; 0 if there was none.
  uint64_t poisoned_at() const { return memory_.poisoned_at.load(std::memory_order_relaxed); }

  // --- Notification (F2 .. F8) ----------------------------------------------------------------

  /// The mount is complete: `holder` and `manager` answer from now on. Nulls: not any more; waits
  /// for a Notify that is under way.
  void Attach(FailureHolder* holder, LayoutManager* manager);
  /// Bytes [offset, offset + length) have failed: every page that any of them lies in, the last one
  /// too; what reaches beyond the region is cut off. ENXIO wholly outside of it, EINVAL for length
  /// 0, EIO before Attach (F4). A compound fails whole, at the order it is mapped with (C5). All
  /// owners are resolved, their holders told, references dropped (F2, F3, F8); metadata, or owners
  /// that cannot be resolved, shut the filesystem down (F5). The caller
  /// holds no lock.
  Result<void> Notify(uint64_t offset, uint64_t length);
  /// The same for pages that TakeNewlyMet told of: what was repaired since stays good. The caller
  /// holds no lock.
  Result<void> NotifyMet(const ByteRange& met);
  /// The region is about to be removed (F7): freeze, tell everybody, drop everything, shut down,
  /// thaw.
  Result<void> NotifyRemoval();

  // --- Injection and repair -------------------------------------------------------------------

  /// Makes the pages of the range fail: touching them is a real SIGBUS. Does not Notify, and is not
  /// known until it is met. EOPNOTSUPP for a real medium; ENXIO, EINVAL as Notify.
  Result<void> Inject(uint64_t offset, uint64_t length);
  /// Forgets that the pages are bad and makes them good: emulated regions are mapped afresh (what
  /// the file holds is back), real ones are cleared by libpmem2. EIO if that fails; ENXIO, EINVAL
  /// as Notify.
  Result<void> Clear(uint64_t offset, uint64_t length);
  /// Whole blocks are about to be overwritten: clears them if they are bad (F6). EIO if they cannot
  /// be cleared (then the caller takes others). O(1) while no page is bad.
  Result<void> PrepareOverwrite(Pfn start, BlockCount n);
  /// All known bad ranges.
  std::vector<ByteRange> BadRanges() const;

 private:
  explicit MediaFailure(Region& region);
  Result<PfnRange> PagesOf(uint64_t offset, uint64_t length) const;
  void LearnMet() const;
  std::optional<uint64_t> FirstBad(uint64_t offset, uint64_t n) const;
  template <typename Touch>
  Result<void> Guarded(uint64_t offset, size_t n, Touch touch) const;
  PfnRange WholePages(const PageTable& table, PfnRange pages) const;
  Result<void> TellOwners(PfnRange pages) ABSL_SHARED_LOCKS_REQUIRED(attached_mutex_);

  Region& region_;
  mutable WatchedMemory memory_;
  mutable std::atomic<bool> any_bad_{false};
  mutable absl::Mutex mutex_;
  mutable RangeSet bad_ ABSL_GUARDED_BY(mutex_);        // by page number
  mutable RangeSet newly_met_ ABSL_GUARDED_BY(mutex_);  // not taken yet
  absl::Mutex attached_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  FailureHolder* holder_ ABSL_GUARDED_BY(attached_mutex_) = nullptr;
  LayoutManager* manager_ ABSL_GUARDED_BY(attached_mutex_) = nullptr;
};

/// Starts the write-back of [offset, offset + n), bytes of the region, page by page if pages of it
/// are bad: those are left out. Needs a drain.
void FlushPastFailures(const Region& region, uint64_t offset, uint64_t n);

}  // namespace holdfast::daxcore
