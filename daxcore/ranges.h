// SPDX-License-Identifier: Apache-2.0
// Half-open ranges of file blocks and of pages.
#pragma once

#include <algorithm>

#include "daxcore/types.h"

namespace holdfast::daxcore {

/// Blocks [start, end) of a file.
struct FileRange {
  FileBlock start;
  FileBlock end;

  constexpr bool empty() const { return start >= end; }
  constexpr BlockCount length() const { return end - start; }
  constexpr bool Overlaps(const FileRange& o) const { return start < o.end && o.start < end; }
  constexpr bool Contains(const FileRange& o) const { return start <= o.start && o.end <= end; }
  constexpr FileRange Intersect(const FileRange& o) const {
    return {std::max(start, o.start), std::min(end, o.end)};
  }
  constexpr bool operator==(const FileRange&) const = default;
};

/// End of every file: no block of a file has this index or a larger one (2^60 bytes).
inline constexpr FileBlock kFileEnd{uint64_t{1} << 48};
inline constexpr FileRange kWholeFile{FileBlock(0), kFileEnd};

/// Pages [start, start + length) of the region.
struct PfnRange {
  Pfn start;
  BlockCount length;

  constexpr Pfn end() const { return start + length; }
  constexpr bool empty() const { return length == BlockCount(0); }
  constexpr bool Contains(Pfn p) const { return start <= p && p < end(); }
  constexpr bool operator==(const PfnRange&) const = default;
};

/// Blocks of a file and the pages that hold them: blocks [index, index + length) lie in pages
/// [pfn, pfn + length).
struct FileRun {
  FileBlock index;
  Pfn pfn;
  BlockCount length;

  constexpr FileBlock end() const { return index + length; }
  constexpr FileRange range() const { return {index, end()}; }
  constexpr PfnRange pages() const { return {pfn, length}; }
  /// The part of the run inside `clip`, which overlaps it.
  constexpr FileRun Clip(const FileRange& clip) const {
    const FileRange part = range().Intersect(clip);
    return {part.start, pfn + (part.start - index), part.length()};
  }
  constexpr bool operator==(const FileRun&) const = default;
};

}  // namespace holdfast::daxcore
