// SPDX-License-Identifier: Apache-2.0
// Timestamps: changed in DRAM first, written with the next transaction that changes the slot, or at
// fsync, eviction, sync and unmount.
#pragma once

#include <ctime>
#include <optional>

#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/live_inode.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

class Volume;

/// When reading updates the access time (relatime, strictatime, noatime).
enum class AtimeMode { kRelative, kStrict, kNever };

/// New values for some of an inode's times.
struct TimeStamps {
  std::optional<timespec> atime = std::nullopt;
  std::optional<timespec> mtime = std::nullopt;
  std::optional<timespec> ctime = std::nullopt;
};

// The caller of each function holds the inode's metadata lock, shared or exclusive as it needs for
// the slot it passes; TouchModified needs no lock.

/// The inode's attributes: the slot's, with the lazy times where there are any.
Attributes CurrentAttributes(LiveInode& inode, const InodeSlot& slot);

/// The file or directory was read now. Nothing happens where `mode` says that reading leaves no
/// trace; kRelative: only if atime is not later than mtime and ctime, or a day old.
void TouchAccessed(LiveInode& inode, const InodeSlot& slot, AtimeMode mode);
/// Contents changed now, without a transaction: mtime and ctime.
void TouchModified(LiveInode& inode);

/// Writes `stamps`, and whatever else is lazy, into the transaction's copy of the slot. To be
/// called by every transaction that changes a slot anyway. On commit the lazy times written are
/// clean.
void StampTimes(Transaction& tx, LiveInode& inode, InodeSlot* slot, const TimeStamps& stamps);

/// Writes what is lazy in a transaction of its own, if anything is; no inode lock may be held.
/// Nothing on a read-only volume, or if the inode no longer exists.
Result<void> WriteLazyTimes(Volume& volume, LiveInode& inode);

}  // namespace holdfast::fsmeta
