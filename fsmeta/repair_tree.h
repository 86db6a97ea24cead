// SPDX-License-Identifier: Apache-2.0
// Making a tree anew from its records.
#pragma once

#include <span>

#include "daxcore/result.h"
#include "fsmeta/btree.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// A tree of fresh nodes, filled in order, that holds `records`, which are in order of their keys.
/// No records: an empty root. ENOSPC.
Result<TreeRoot> BuildTree(RepairState& state, TreeKind kind, uint64_t owner,
                           std::span<const TreeRecord> records);

}  // namespace holdfast::fsmeta
