// SPDX-License-Identifier: Apache-2.0
// A set of integers kept as disjoint ranges.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"

namespace holdfast::daxcore {

/// Half-open range of integers.
struct Interval {
  uint64_t start;
  uint64_t end;
  bool operator==(const Interval&) const = default;
};

/// A set of integers as disjoint, non-adjacent ranges. Every operation is O(log n + ranges it
/// removes). Not thread-safe.
class RangeSet {
 public:
  bool empty() const { return ranges_.empty(); }
  size_t range_count() const { return ranges_.size(); }

  /// Adds [start, end); what is there already stays.
  void Add(uint64_t start, uint64_t end);
  /// Removes [start, end); what is not there is ignored.
  void Remove(uint64_t start, uint64_t end);
  /// The first range that ends after `from`, cut at `from`, if it starts before `limit` (and cut
  /// there); else nothing.
  std::optional<Interval> Next(uint64_t from, uint64_t limit) const;
  bool Overlaps(uint64_t start, uint64_t end) const { return Next(start, end).has_value(); }
  bool Contains(uint64_t start, uint64_t end) const;

 private:
  absl::btree_map<uint64_t, uint64_t> ranges_;  // start -> end
};

}  // namespace holdfast::daxcore
