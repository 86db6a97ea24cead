// SPDX-License-Identifier: Apache-2.0
// Making the space of the groups agree with what the inodes own.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// The last stage, when inodes, directories and lists are sound: headers and used bits of inode
/// clusters, then for each group reverse map, reference counts, bitmap and header follow from the
/// extents. What is right already is left as it is. ENOSPC.
Result<void> RepairGroups(RepairState& state);

/// The heads of the inode clusters follow from their slots. Before RepairGroups.
void RepairClusterHeads(RepairState& state);

}  // namespace holdfast::fsmeta
