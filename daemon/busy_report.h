// SPDX-License-Identifier: Apache-2.0
// What `holdfast busy` and `holdfast pages` show: who holds what, what waits for it, and the page
// descriptors of a file.
#pragma once

#include <nlohmann/json.hpp>

#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/filesystem.h"

namespace holdfast::daemon {

/// `holders`, `waiters`, `quarantines` and `quarantined_bytes` of a mount. Offsets and lengths in
/// bytes, times as RFC 3339 in UTC. From any thread; what it shows may be old when it is read.
nlohmann::json BusyOf(fsmeta::Filesystem& filesystem);

/// `pages`: the entries of [offset, offset + length) of a file (0 = all of it) with the state of
/// their pages, neighbours of one state together. EINVAL for a range that no file can have.
daxcore::Result<nlohmann::json> PagesOf(fsmeta::Filesystem& filesystem, daxcore::Ino ino,
                                        uint64_t offset, uint64_t length);

}  // namespace holdfast::daemon
