// SPDX-License-Identifier: Apache-2.0
// Checking the journal lanes, and seeing the filesystem as after their replay.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Reports unsound lanes and records that contradict each other; lays the live ones over the image.
void CheckJournal(CheckState& state);

}  // namespace holdfast::fsmeta
