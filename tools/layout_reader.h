// SPDX-License-Identifier: Apache-2.0
// The extents of a file of a mount, for several subcommands.
#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "daxcore/result.h"
#include "holdfast/ioctl.h"
#include "tools/json_text.h"
#include "tools/mount_file.h"

namespace holdfast::tools {

/// All extents of [offset, offset + length), length 0 = to the end of the file; under `lease`, or 0
/// for a snapshot.
daxcore::Result<std::vector<holdfast_extent>> ReadExtents(const MountFile& file, uint64_t offset,
                                                          uint64_t length, uint64_t lease = 0);

/// {"extents": [{"file_offset", "region_offset", "length", "state"}]}
Json ToJson(const std::vector<holdfast_extent>& extents);
void PrintTable(const std::vector<holdfast_extent>& extents, std::ostream& out);

}  // namespace holdfast::tools
