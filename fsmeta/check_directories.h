// SPDX-License-Identifier: Apache-2.0
// Checking directories: their entries, their index, and how they hang together.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Reads every directory found by CheckInodes: entries, names, index, counts, and what the entries
/// say of the inodes they name. Fills in `links` and `found_parent`.
void CheckDirectories(CheckState& state);

/// After CheckDirectories and CheckOrphans: link counts, and that every directory is reached from
/// the root.
void CheckLinks(CheckState& state);

}  // namespace holdfast::fsmeta
