// SPDX-License-Identifier: Apache-2.0
// The extents of inodes under repair: what can be read, what the reverse map remembers, and writing
// them anew.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// Extents of one inode in order, none over another.
using ExtentList = std::vector<ExtentRecord>;

/// What of a slot's extents can be read.
struct FoundExtents {
  ExtentList extents;
  bool sound = true;  ///< nothing was left out, and the slot's form is as it must be
};
FoundExtents FindExtents(RepairState& state, const InodeSlot& slot);

uint64_t BlocksOf(const ExtentList& extents);
/// File block after the last extent.
uint64_t EndOf(const ExtentList& extents);

/// Puts `extents` into `slot`, in the form for their number; trees get fresh nodes. Sets `blocks`.
/// ENOSPC.
Result<void> SetExtents(RepairState& state, InodeSlot* slot, ExtentList extents);

/// A directory that has blocks has block 0. True if anything had to be changed.
bool StartAtBlock0(ExtentList* extents);

/// Adds those of `more`, in any order, that lie where `extents` have a hole.
ExtentList FillHoles(ExtentList extents, ExtentList more);

/// What the sound part of the groups' reverse maps says of some inodes. Built once, O(reverse map).
class RememberedExtents {
 public:
  /// `wanted` in order.
  RememberedExtents(RepairState& state, std::span<const uint64_t> wanted);
  /// Extents of that inode; possible ones, not necessarily still its own.
  ExtentList Of(uint64_t ino) const;

 private:
  absl::btree_map<uint64_t, ExtentList> extents_;
};

}  // namespace holdfast::fsmeta
