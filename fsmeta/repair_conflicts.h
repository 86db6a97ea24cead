// SPDX-License-Identifier: Apache-2.0
// Who keeps a block that several say is theirs.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// After RepairSlots. Takes blocks from whoever may not have them:
/// - What lies where the superblock says, tree nodes, attributes, and blocks of directories and
///   system files that carry their owner's name keep theirs; everybody else loses them.
/// - Files keep a block together: it is shared, as after a reflink, and each sees what it saw.
///   Unwritten extents of shared blocks go, since they read zero as holes do.
/// ENOSPC.
Result<void> RepairConflicts(RepairState& state);

}  // namespace holdfast::fsmeta
