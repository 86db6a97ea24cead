// SPDX-License-Identifier: Apache-2.0
// Making a filesystem: everything that mkfs writes.
#pragma once

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/filesystem_plan.h"

namespace holdfast::fsmeta {

/// Writes an empty filesystem over all of `region`. O(groups). The old filesystem's superblocks go
/// first and the new ones come last, so an interrupted format never looks valid. Errors as
/// PlanFilesystem; then nothing was written.
Result<void> FormatRegion(Region& region, const FormatOptions& options);

}  // namespace holdfast::fsmeta
