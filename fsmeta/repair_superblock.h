// SPDX-License-Identifier: Apache-2.0
// Which superblock a repair believes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// The superblock as a mount would choose it. Where both copies are sound and differ, though
/// neither is newer, the one that more of the filesystem's own blocks agree with. Errors as
/// ReadSuperblock.
daxcore::Result<Superblock> ChooseSuperblock(std::span<const std::byte> media,
                                             std::string_view name);

}  // namespace holdfast::fsmeta
