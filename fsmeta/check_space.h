// SPDX-License-Identifier: Apache-2.0
// Checking allocation groups against what the inodes claim.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Claims what belongs to the filesystem itself wherever it lies by the superblock alone.
void ClaimFixedBlocks(CheckState& state);

/// Before the other passes: claims what belongs to the filesystem itself (superblocks, journal,
/// headers, bitmaps) and the nodes of the groups' trees.
void ClaimGroups(CheckState& state);

/// When all claims are in: bitmaps, free counts, reference counts and reverse map of every group
/// against them. Every used bit has an owner and every owner his bits, once unless shared.
void CheckSpace(CheckState& state);

}  // namespace holdfast::fsmeta
