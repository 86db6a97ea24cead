// SPDX-License-Identifier: Apache-2.0
// Failed memory: reading and writing past it without dying, and telling who it hurts (section 6).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/failure_holder.h"
#include "daxcore/layout.h"
#include "daxcore/range_set.h"
#include "daxcore/region.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Owns the knowledge of which pages of a region are bad, and survives touching them: a SIGBUS
/// inside the region is caught. Thread-safe. One object per region; several in a process. Bad pages
/// that the medium itself lists are known again after a crash, others when they are met again.
///
/// Data is touched through CopyOut, CopyNt, ZeroNt, Store: they answer EIO at a bad page (F1). The
/// kernel's own copies (a write(2) from the region) answer EFAULT by themselves: the caller turns
/// that into EIO after `CheckReadable`. A plain load by other code, for example of metadata, does
/// not kill either: the page is replaced, for this process, by one of zeroes, recorded, and
/// `poisoned_loads` grows; a checksum then does not fit, and whoever reports that asks `IsBad` and
/// answers EIO.
class MediaFailure {
 public:
  /// Catches SIGBUS from now on for `region`, which outlives this. The medium's own list of bad
  /// ranges is the first content. ENFILE when 64 regions are watched.
  static Result<std::unique_ptr<MediaFailure>> Watch(Region& region);
  ~MediaFailure();

  /// True if any page of [offset, offset + n) is known bad. O(1) while none is.
  bool IsBad(uint64_t offset, uint64_t n) const;
  /// EIO if IsBad, naming the first bad offset; else success.
  Result<void> CheckReadable(uint64_t offset, uint64_t n) const;

  /// Copies out of the region. EIO at a bad page; then `dst` holds part of it.
  Result<void> CopyOut(void* dst, uint64_t offset, size_t n) const;
  /// The verbs, guarded. EIO at a bad page; then a part may have been stored.
  Result<void> CopyNt(uint64_t offset, const void* src, size_t n) const;
  Result<void> ZeroNt(uint64_t offset, size_t n) const;
  Result<void> Store(uint64_t offset, const void* src, size_t n) const;
  /// Copies inside the region (copy on write): EIO if either side is bad.
  Result<void> CopyWithin(uint64_t to, uint64_t from, size_t n) const;

  /// Pages met bad since the last call, as ranges of bytes: the daemon reports each with `Notify`.
  std::vector<ByteRange> TakeNewlyMet();
  /// Becomes readable when there are such (poll, epoll).
  int event_fd() const { return event_fd_; }
  uint64_t poisoned_loads() const { return poisoned_loads_.load(std::memory_order_relaxed); }

  // --- Notification (F2 .. F8) ----------------------------------------------------------------

  /// The mount is complete: `holder` and `manager` answer from now on; both outlive it or are taken
  /// away with nulls. Before that Notify is EIO (F4).
  void Attach(FailureHolder* holder, LayoutManager* manager);
  /// Bytes [offset, offset + length) have failed. Bounds inclusive: every page that any of these
  /// bytes lies in. ENXIO if any lies outside the region, EINVAL for length 0, EIO before Attach
  /// (F4). Resolves all owners, tells their holders, drops their references (F2, F3), shuts down
  /// for metadata (F5). A compound fails whole, at the order it is mapped with (C5).
  Result<void> Notify(uint64_t offset, uint64_t length);
  /// The region is about to be removed (F7).
  Result<void> NotifyRemoval();

  // --- Injection and repair -------------------------------------------------------------------

  /// Makes the pages of the range fail: touching them is a real SIGBUS (UFFDIO_POISON, or a mapping
  /// beyond the end of a file where the kernel has none of that). Does not Notify. EOPNOTSUPP for a
  /// real medium; ENXIO, EINVAL as Notify.
  Result<void> Inject(uint64_t offset, uint64_t length);
  /// Forgets that the pages are bad, and makes them good where that can be done: emulated regions
  /// by mapping them afresh, real ones by libpmem2's clearing. What they hold after that is
  /// undefined.
  Result<void> Clear(uint64_t offset, uint64_t length);
  /// Whole blocks are about to be overwritten: clears them if bad (F6). EIO if they cannot be
  /// cleared (then the caller allocates others). O(1) while no page is bad.
  Result<void> PrepareOverwrite(Pfn start, BlockCount n);
  /// All known bad ranges.
  std::vector<ByteRange> BadRanges() const;

 private:
  struct State;
  explicit MediaFailure(Region& region);

  Region& region_;
  int event_fd_ = -1;
  std::atomic<uint64_t> poisoned_loads_{0};
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::daxcore
