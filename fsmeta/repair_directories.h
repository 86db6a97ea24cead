// SPDX-License-Identifier: Apache-2.0
// Making directories, and how they hang together, whole again.
#pragma once

#include <cstdint>
#include <vector>

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// After RepairConflicts. Every directory's blocks hold entries of inodes that exist, its index and
/// counts agree with them, and each directory but the root has at most one name, in no loop. Fills
/// in `links` and `found_parent` of the pictures; who has no name is left for LostAndFound. ENOSPC.
Result<void> RepairDirectories(RepairState& state);

/// Brings index, counts, size and link count of one directory in step with its blocks, which are
/// sound. ENOSPC.
Result<void> FinishDirectory(RepairState& state, uint64_t ino);

}  // namespace holdfast::fsmeta
