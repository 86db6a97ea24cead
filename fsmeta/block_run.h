// SPDX-License-Identifier: Apache-2.0
// A run of blocks: what allocation, extents and free-space indexes talk about.
#pragma once

#include <compare>

#include "daxcore/types.h"

namespace holdfast::fsmeta {

/// Blocks [start, start + length), all in one group.
struct BlockRun {
  daxcore::Pfn start;
  daxcore::BlockCount length;
  auto operator<=>(const BlockRun&) const = default;

  daxcore::Pfn end() const { return start + length; }
  bool Contains(daxcore::Pfn pfn) const { return pfn >= start && pfn < end(); }
  bool Overlaps(const BlockRun& other) const { return start < other.end() && other.start < end(); }
};

}  // namespace holdfast::fsmeta
