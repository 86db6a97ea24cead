// SPDX-License-Identifier: Apache-2.0
// Saving what can be read of an inode's attributes.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// If the attributes of `slot` are damaged, writes those that can be read to fresh blocks and tells
/// of the loss. Sets `xattr_block` and the flag of an access list. ENOSPC.
Result<void> RepairXattrs(RepairState& state, InodeSlot* slot);

}  // namespace holdfast::fsmeta
