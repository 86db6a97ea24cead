// SPDX-License-Identifier: Apache-2.0
// Making every inode agree with itself, and saving what is left of unsound ones.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// After RepairInodeFile. Every slot is sound afterwards: its fields possible, its extents readable
/// and in order (holes filled from the reverse map where that remembers them), its attributes
/// readable. An unsound slot is made anew around the extents that the reverse map has of it, or
/// cleared. Fills in `state.inodes`. What inodes say of each other comes later. ENOSPC.
Result<void> RepairSlots(RepairState& state);

}  // namespace holdfast::fsmeta
