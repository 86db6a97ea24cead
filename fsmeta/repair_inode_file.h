// SPDX-License-Identifier: Apache-2.0
// Finding the inode clusters again when the inode file does not say where they are.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// Makes sure that inode 2 maps whole clusters from the first to the last, and fills in
/// `state.clusters`. Where it does not, the whole region is searched for blocks of the inode file,
/// which say themselves which ones they are: O(region), in that case only. Blocks that are found
/// nowhere are replaced by empty ones. ENOSPC.
Result<void> RepairInodeFile(RepairState& state);

/// Adds an empty cluster at the end of the inode file. ENOSPC.
Result<void> AddCluster(RepairState& state);

}  // namespace holdfast::fsmeta
