// SPDX-License-Identifier: Apache-2.0
// Merging, folding and writing lazy timestamps.
#include "fsmeta/lazy_times.h"

#include "fsmeta/volume.h"

namespace holdfast::fsmeta {
namespace {

constexpr time_t kDay = 24 * 60 * 60;

bool Same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool Later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

void Put(const timespec& time, int64_t* sec, uint32_t* nsec) {
  *sec = time.tv_sec;
  *nsec = static_cast<uint32_t>(time.tv_nsec);
}

bool AccessIsWorthNoting(const Attributes& now_known, const timespec& now, AtimeMode mode) {
  if (mode == AtimeMode::kNever) return false;
  if (mode == AtimeMode::kStrict) return !Same(now_known.atime, now);
  return !Later(now_known.atime, now_known.mtime) || !Later(now_known.atime, now_known.ctime) ||
         now.tv_sec - now_known.atime.tv_sec >= kDay;
}

// What was on the medium's way is clean now, unless it changed again meanwhile.
void MarkWritten(LiveInode& inode, const LazyTimes& written) {
  absl::MutexLock lock(&inode.times_lock);
  LazyTimes& times = inode.times;
  if (written.atime_dirty && Same(times.atime, written.atime)) times.atime_dirty = false;
  if (written.mtime_dirty && Same(times.mtime, written.mtime)) times.mtime_dirty = false;
  if (written.ctime_dirty && Same(times.ctime, written.ctime)) times.ctime_dirty = false;
}

}  // namespace

Attributes CurrentAttributes(LiveInode& inode, const InodeSlot& slot) {
  Attributes attributes = AttributesOf(slot);
  absl::MutexLock lock(&inode.times_lock);
  if (inode.times.atime_dirty) attributes.atime = inode.times.atime;
  if (inode.times.mtime_dirty) attributes.mtime = inode.times.mtime;
  if (inode.times.ctime_dirty) attributes.ctime = inode.times.ctime;
  return attributes;
}

void TouchAccessed(LiveInode& inode, const InodeSlot& slot, AtimeMode mode) {
  if (mode == AtimeMode::kNever) return;
  const timespec now = Now();
  if (!AccessIsWorthNoting(CurrentAttributes(inode, slot), now, mode)) return;
  absl::MutexLock lock(&inode.times_lock);
  inode.times.atime = now;
  inode.times.atime_dirty = true;
}

void TouchModified(LiveInode& inode) {
  const timespec now = Now();
  absl::MutexLock lock(&inode.times_lock);
  inode.times.mtime = now;
  inode.times.ctime = now;
  inode.times.mtime_dirty = true;
  inode.times.ctime_dirty = true;
}

void StampTimes(Transaction& tx, LiveInode& inode, InodeSlot* slot, const TimeStamps& stamps) {
  LazyTimes lazy;
  {
    absl::MutexLock lock(&inode.times_lock);
    lazy = inode.times;
  }
  if (lazy.any()) {
    tx.OnCommit([&inode, lazy] { MarkWritten(inode, lazy); });
  }
  if (stamps.atime || lazy.atime_dirty) {
    Put(stamps.atime.value_or(lazy.atime), &slot->atime_sec, &slot->atime_nsec);
  }
  if (stamps.mtime || lazy.mtime_dirty) {
    Put(stamps.mtime.value_or(lazy.mtime), &slot->mtime_sec, &slot->mtime_nsec);
  }
  if (stamps.ctime || lazy.ctime_dirty) {
    Put(stamps.ctime.value_or(lazy.ctime), &slot->ctime_sec, &slot->ctime_nsec);
  }
}

Result<void> WriteLazyTimes(Volume& volume, LiveInode& inode) {
  {
    absl::MutexLock lock(&inode.times_lock);
    if (!inode.times.any()) return {};
  }
  if (volume.medium().read_only()) return {};
  absl::WriterMutexLock lock(&inode.meta);
  auto written = volume.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, inode.ino));
    StampTimes(tx, inode, slot, {});
    return {};
  });
  if (!written && written.error().code == ESTALE) return {};
  return written;
}

}  // namespace holdfast::fsmeta
