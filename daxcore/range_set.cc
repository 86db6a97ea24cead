// SPDX-License-Identifier: Apache-2.0
// Disjoint ranges in a B-tree.
#include "daxcore/range_set.h"

#include <algorithm>
#include <iterator>

namespace holdfast::daxcore {

void RangeSet::Add(uint64_t start, uint64_t end) {
  if (start >= end) return;
  auto it = ranges_.upper_bound(start);
  if (it != ranges_.begin() && std::prev(it)->second >= start) --it;
  // `it` is the first range that touches [start, end), if any does.
  while (it != ranges_.end() && it->first <= end) {
    if (it->first <= start && it->second >= end) return;
    start = std::min(start, it->first);
    end = std::max(end, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace(start, end);
}

void RangeSet::Remove(uint64_t start, uint64_t end) {
  if (start >= end) return;
  auto it = ranges_.upper_bound(start);
  if (it != ranges_.begin() && std::prev(it)->second > start) --it;
  while (it != ranges_.end() && it->first < end) {
    const Interval old{it->first, it->second};
    it = ranges_.erase(it);
    if (old.start < start) ranges_.emplace(old.start, start);
    if (old.end > end) {
      ranges_.emplace(end, old.end);
      return;
    }
    it = ranges_.lower_bound(old.end);
  }
}

std::optional<Interval> RangeSet::Next(uint64_t from, uint64_t limit) const {
  auto it = ranges_.upper_bound(from);
  if (it != ranges_.begin() && std::prev(it)->second > from) --it;
  if (it == ranges_.end() || it->first >= limit || from >= limit) return std::nullopt;
  return Interval{std::max(it->first, from), std::min(it->second, limit)};
}

bool RangeSet::Contains(uint64_t start, uint64_t end) const {
  const auto first = Next(start, end);
  return start >= end || (first && first->start == start && first->end == end);
}

}  // namespace holdfast::daxcore
