// SPDX-License-Identifier: Apache-2.0
// The files of the filesystem's own that list things, made right: orphans and quarantined blocks.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// After LostAndFound: exactly the inodes that the next mount has to finish are listed. All of it
/// follows from the inodes. ENOSPC.
Result<void> RepairOrphanFile(RepairState& state);

/// Unsound blocks are emptied and impossible records removed. EUCLEAN, with a line for the user, if
/// that could give a block away that a process of this boot still touches (rule L11).
Result<void> RepairQuarantineFile(RepairState& state);

}  // namespace holdfast::fsmeta
