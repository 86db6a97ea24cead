// SPDX-License-Identifier: Apache-2.0
// Checking the files of the filesystem's own that list things: orphans and quarantined blocks.
#pragma once

#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// The orphan file against the inodes: exactly those that are deleted or being truncated are
/// listed, each once, where its slot says.
void CheckOrphans(CheckState& state);

/// Why there can be no such quarantine record; null if there can.
const char* FaultInRecord(const CheckImage& image, const QuarantineRecord& record);

/// The quarantine file: its records are possible; their blocks are claimed.
void CheckQuarantine(CheckState& state);

}  // namespace holdfast::fsmeta
