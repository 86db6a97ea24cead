// SPDX-License-Identifier: Apache-2.0
// Bringing a repaired image to the medium, so that an interruption at any moment can be repaired
// again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/block_run.h"
#include "fsmeta/repair_state.h"

namespace holdfast::daxcore {
class MediaFailure;
}

namespace holdfast::fsmeta {

/// What cannot stay as it is, whatever the image says.
struct UnsoundPlaces {
  std::span<const uint32_t> lanes;
  std::span<const BlockRun> failed;  ///< memory that was read as zeroes; no data of files
};

/// Writes what `state.image` changed:
/// 1. both superblocks, with the mark of a repair: nothing mounts from here on;
/// 2. zeroes where memory has failed, which makes it good; the journal as a mount finds it:
///    unsound lanes emptied, live records applied;
/// 3. fresh blocks, which nothing refers to yet;
/// 4. everything else through the journal, whole objects at a time: the root and a new
///    lost+found in one record, then inodes, directories and lists, then what follows from them;
/// 5. both superblocks, without the mark.
/// So no object is ever torn, and what is not yet written follows from what is. EIO: memory has
/// failed and cannot be cleared. Errors leave the mark.
Result<void> WriteRepair(Region& region, daxcore::MediaFailure& failure, RepairState& state,
                         const UnsoundPlaces& unsound);

}  // namespace holdfast::fsmeta
