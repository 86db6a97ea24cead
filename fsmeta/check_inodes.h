// SPDX-License-Identifier: Apache-2.0
// Checking the inode file and every inode in it: what each of them says for itself.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Reads the inode file: finds its clusters, checks them and every slot, and claims the space of
/// every inode. False if there is no inode file to speak of, so that the check cannot go on.
bool CheckInodes(CheckState& state);

/// Where the slot of `ino` is; its cluster must have been found.
ObjectId SlotPlace(const CheckState& state, uint64_t ino);

/// Slot of `ino` for a later pass; null where the inode pass could not read it either.
const InodeSlot* SlotForCheck(CheckState& state, uint64_t ino);

}  // namespace holdfast::fsmeta
