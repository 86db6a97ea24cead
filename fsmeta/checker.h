// SPDX-License-Identifier: Apache-2.0
// The filesystem check: everything on the medium against a picture built from the inode file.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/check_report.h"

namespace holdfast::daxcore {
class MediaFailure;
}

namespace holdfast::fsmeta {

/// Checks the filesystem in `media`, the bytes of its region, as the next mount would find it (live
/// journal records are laid over in DRAM); writes nothing. Whatever the bytes are, it ends, and
/// costs time and memory by what is on the medium, not by its size (bitmaps excepted). Errors,
/// about the region `name`: there is no filesystem (EINVAL), it is truncated (ENXIO) or of a newer
/// format (EOPNOTSUPP). Damage is a finding. Thread-safe as long as nobody writes to `media`.
daxcore::Result<CheckReport> CheckFilesystem(std::span<const std::byte> media,
                                             std::string_view name);

/// The same for an open region whose memory may have failed: what the medium lists as bad, and what
/// the check meets, are findings. ENFILE: too many regions are watched.
daxcore::Result<CheckReport> CheckRegion(daxcore::Region& region);
/// The same with what is known to have failed so far, and what is met goes in there.
daxcore::Result<CheckReport> CheckRegion(daxcore::Region& region, daxcore::MediaFailure& failure);

}  // namespace holdfast::fsmeta
