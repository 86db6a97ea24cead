// SPDX-License-Identifier: Apache-2.0
// Structures of the medium as JSON, sound or not.
#pragma once

#include <cstdint>
#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/check_image.h"
#include "fsmeta/format.h"
#include "tools/json_text.h"

namespace holdfast::tools {

Json DumpSuperblock(const fsmeta::Superblock& superblock);

// Each shows what is there, with a `fault` where it is unsound. EINVAL: there is no such thing.

/// Every lane: what is retired, and the live record if there is one.
Json DumpJournal(const fsmeta::CheckImage& image);
/// Header of a group and its free runs.
daxcore::Result<Json> DumpGroup(fsmeta::CheckImage& image, uint64_t group);
/// Slot of an inode, its extents and the names of its attributes.
daxcore::Result<Json> DumpInode(fsmeta::CheckImage& image, uint64_t ino);
/// `name`: refcounts:GROUP, reverse-map:GROUP, extents:INODE or directory:INODE.
daxcore::Result<Json> DumpTree(fsmeta::CheckImage& image, std::string_view name);

}  // namespace holdfast::tools
