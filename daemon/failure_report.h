// SPDX-License-Identifier: Apache-2.0
// What a mount says of failed memory, and of who owns a piece of its region.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "daxcore/result.h"
#include "fsmeta/filesystem.h"

namespace holdfast::daemon {

/// {"failures": [{"region_offset", "length"}]}: the known bad ranges. Bytes.
nlohmann::json FailuresOf(fsmeta::Filesystem& filesystem);

/// {"owners": [{"region_offset", "length", "kind", "inode", "file_offset", "what"}]} for bytes
/// [offset, offset + length) of the region, widened to whole blocks; length 0: up to its end.
/// `inode`, `file_offset` and `what` where they mean something. ENXIO: outside the filesystem.
daxcore::Result<nlohmann::json> OwnersOf(fsmeta::Filesystem& filesystem, uint64_t offset,
                                         uint64_t length);

/// Counters: bad bytes known now, what was met and told since the start, and the canaries of rules
/// L11 and P9, which are 0 unless Holdfast has a bug.
nlohmann::json FailureCountersOf(fsmeta::Filesystem& filesystem);

}  // namespace holdfast::daemon
