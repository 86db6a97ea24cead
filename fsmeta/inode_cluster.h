// SPDX-License-Identifier: Apache-2.0
// Inode clusters on the medium: where a slot is, and how an empty cluster is written.
#pragma once

#include <cstdint>

#include "daxcore/region.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// Identity of the head block of a cluster that starts at block `cluster`.
ObjectId ClusterHeadId(Pfn cluster);
/// Identity of the slot of `ino` in its cluster, which starts at block `cluster`.
ObjectId SlotId(Pfn cluster, Ino ino);

/// Writes cluster number `index` with no inode in it (number 0: with the reserved numbers taken),
/// all 120 slots sealed, to 16 fresh blocks. Non-temporal: needs a drain before anything refers to
/// it.
void WriteInodeCluster(Region& region, const Uuid& uuid, Pfn cluster, uint64_t index,
                       uint64_t sequence);

}  // namespace holdfast::fsmeta
