// SPDX-License-Identifier: Apache-2.0
// The passes of a check in their order, over an image that is seen as after the journal's replay.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Runs every pass but those over superblocks and journal. Findings are in the state's report.
void RunCheckPasses(CheckState& state);

}  // namespace holdfast::fsmeta
