// SPDX-License-Identifier: Apache-2.0
// One extent of a file, and its two forms on the medium.
#pragma once

#include <cstdint>

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/btree.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// Files end at 2^60 bytes: no extent reaches beyond this block.
inline constexpr uint64_t kMaxFileBlocks = uint64_t{1} << 48;

/// A run of file blocks that lie in a run of blocks of the region.
struct Extent {
  FileBlock file_block;
  BlockRun run;
  uint32_t flags = 0;  ///< kExtent*

  auto operator<=>(const Extent&) const = default;
  bool unwritten() const { return (flags & kExtentUnwritten) != 0; }
  BlockCount length() const { return run.length; }
  FileBlock end() const { return file_block + run.length; }
  /// The part in [from, to), which must not be empty.
  Extent Part(FileBlock from, FileBlock to) const {
    return {from, {run.start + (from - file_block), to - from}, flags};
  }
};

/// The inline form, and the record of a kExtents tree.
ExtentRecord ToInline(const Extent& extent);
TreeRecord ToTreeRecord(const Extent& extent);
/// The extent that a record of the medium means. EUCLEAN: its blocks are no run of one group, its
/// flags are unknown, or it reaches beyond the largest file.
Result<Extent> ToExtent(const Allocator& allocator, const ExtentRecord& record);
Result<Extent> ToExtent(const Allocator& allocator, const TreeRecord& record);

/// Does `right` go on where `left` ends, so that one extent can say both?
bool Continues(const Allocator& allocator, const Extent& left, const Extent& right);

}  // namespace holdfast::fsmeta
