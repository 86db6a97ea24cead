// SPDX-License-Identifier: Apache-2.0
// Which mmaps of the region show a layout, where it can only be mapped in units of some size.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "holdfast/ioctl.h"

namespace holdfast::client {

/// One mmap. Bytes; `start` counts from the unit that the mapping's first byte lies in.
struct MapPiece {
  uint64_t start = 0;
  uint64_t length = 0;
  uint64_t region_offset = 0;
  bool backed = true;  ///< false: a hole, zeroes
  bool operator==(const MapPiece&) const = default;
};

/// All of a mapping. Where units are larger than a block, its pieces reach over the ends of the
/// mapping, to whole units.
struct MapPlan {
  uint64_t residue = 0;  ///< what the address of the first byte must be modulo the unit
  std::vector<MapPiece> pieces;
};

/// The plan for extents that follow each other from file offset `offset` on. `unit` is a power of
/// two, 4096 or more. Nothing if there is none: blocks of one unit of addresses lie in different
/// units of the region, or at different places in them, or share theirs with a hole.
std::optional<MapPlan> PlanMaps(uint64_t unit, uint64_t offset,
                                std::span<const holdfast_extent> extents);

}  // namespace holdfast::client
