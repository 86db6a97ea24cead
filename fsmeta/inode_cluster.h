// SPDX-License-Identifier: Apache-2.0
// Inode clusters on the medium: where a slot is, and how an empty cluster is written.
#pragma once

#include <cstdint>

#include "daxcore/region.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// Identity of the head block of a cluster, which is block `head`.
ObjectId ClusterHeadId(Pfn head);
/// Identity of the slot of `ino`, which is one of the eight in `block`.
ObjectId SlotIdInBlock(Pfn block, Ino ino);
/// Identity of the slot of `ino` in its cluster, which starts at block `cluster` and is in one
/// piece.
ObjectId SlotId(Pfn cluster, Ino ino);

/// The head of cluster number `index` with no inode in it (number 0: with the reserved numbers
/// taken), not yet sealed.
InodeCluster EmptyClusterHead(uint64_t index);
/// Writes eight free slots, sealed, for `first` and the inodes after it. Non-temporal: needs a
/// drain before anything refers to them.
void WriteFreeSlots(Region& region, const Uuid& uuid, Pfn block, Ino first, uint64_t sequence);
/// Writes cluster number `index`, empty, to 16 fresh blocks in one piece; as WriteFreeSlots.
void WriteInodeCluster(Region& region, const Uuid& uuid, Pfn cluster, uint64_t index,
                       uint64_t sequence);

}  // namespace holdfast::fsmeta
