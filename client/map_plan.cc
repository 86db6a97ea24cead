// SPDX-License-Identifier: Apache-2.0
// Rounding extents to units, and joining those that share one.
#include "client/map_plan.h"

#include <algorithm>

namespace holdfast::client {
namespace {

bool IsBacked(const holdfast_extent& extent) {
  return extent.state == HOLDFAST_WRITTEN || extent.state == HOLDFAST_SHARED;
}

uint64_t ResidueOf(uint64_t unit, uint64_t offset, std::span<const holdfast_extent> extents) {
  const auto first = std::ranges::find_if(extents, IsBacked);
  // Modulo a power of two the difference may wrap.
  const uint64_t at =
      first == extents.end() ? offset : first->region_offset - (first->file_offset - offset);
  return at % unit;
}

// `next` begins where `last` ends or in its last unit. False if both want that unit.
bool Join(MapPiece& last, const MapPiece& next) {
  const uint64_t ahead = next.start - last.start;
  if (last.backed != next.backed ||
      (last.backed && last.region_offset + ahead != next.region_offset))
    return false;
  last.length = std::max(last.length, ahead + next.length);
  return true;
}

}  // namespace

std::optional<MapPlan> PlanMaps(uint64_t unit, uint64_t offset,
                                std::span<const holdfast_extent> extents) {
  MapPlan plan{.residue = ResidueOf(unit, offset, extents), .pieces = {}};
  for (const holdfast_extent& extent : extents) {
    const uint64_t at = plan.residue + (extent.file_offset - offset);
    const bool backed = IsBacked(extent);
    if (backed && (extent.region_offset - at) % unit != 0) return std::nullopt;
    MapPiece piece;
    piece.start = at & ~(unit - 1);
    piece.length = ((at + extent.length + unit - 1) & ~(unit - 1)) - piece.start;
    piece.region_offset = backed ? extent.region_offset - (at - piece.start) : 0;
    piece.backed = backed;
    if (!plan.pieces.empty() && Join(plan.pieces.back(), piece)) continue;
    if (!plan.pieces.empty() && piece.start < plan.pieces.back().start + plan.pieces.back().length)
      return std::nullopt;
    plan.pieces.push_back(piece);
  }
  return plan;
}

}  // namespace holdfast::client
