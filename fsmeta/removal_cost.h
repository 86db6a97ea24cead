// SPDX-License-Identifier: Apache-2.0
// What removing an extent costs at most, so that a chain of transactions can fill its lanes.
#pragma once

#include <cstdint>

#include "daxcore/result.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// In cache lines that change (Transaction::FitsLane).
struct RemovalCost {
  uint64_t unmap;    ///< ExtentMap::Remove of one piece
  uint64_t release;  ///< ReleaseExtents of that piece
};

/// The cost of removing `extent`, all of it (`whole`) or a part. Follows from the heights of the
/// trees concerned as `tx` sees them; takes the group's lock (ERESTART, EUCLEAN).
Result<RemovalCost> CostOfRemoval(Transaction& tx, const SpaceTools& tools, const InodeSlot& slot,
                                  const Extent& extent, bool whole);

}  // namespace holdfast::fsmeta
