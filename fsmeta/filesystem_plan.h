// SPDX-License-Identifier: Apache-2.0
// What a new filesystem will look like: options of mkfs turned into a superblock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// What the maker may choose. What is not set is derived from the region's size, or random.
struct FormatOptions {
  std::string label{};                     ///< at most kLabelBytes bytes
  std::optional<Uuid> uuid{};              ///< random if not given
  uint32_t geometry_shift = 12;            ///< 12, 21 or 30 (rule C1)
  bool emulated = false;                   ///< made with --emulate
  std::optional<uint64_t> group_blocks{};  ///< a power of two, 64 to kGroupBlocksMax (tests)
  std::optional<uint32_t> lane_count{};    ///< (tests)
  std::optional<uint32_t> lane_blocks{};   ///< (tests)
  std::optional<uint64_t> made_at{};       ///< seconds since the epoch; now if not given
  std::optional<uint64_t> hash_seed{};     ///< random if not given
};

/// The superblock of a filesystem made with these options on a region of that size, not yet sealed.
/// EINVAL, with a line for the user: the region is too small, or an option is out of bounds.
Result<Superblock> PlanFilesystem(uint64_t region_bytes, const FormatOptions& options);

}  // namespace holdfast::fsmeta
