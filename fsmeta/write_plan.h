// SPDX-License-Identifier: Apache-2.0
// What a write has to do to each piece of the range it covers.
#pragma once

#include "absl/container/inlined_vector.h"
#include "daxcore/ranges.h"
#include "daxcore/result.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// How one piece is written.
enum class WriteWay : uint8_t {
  kInPlace,  ///< written blocks of ours alone: the bytes go where the old ones are
  kConvert,  ///< unwritten blocks: the rest of the edge blocks is zeroed, then they become written
  kFill,     ///< hole: as kConvert, in new blocks
  kReplace,  ///< shared, or data=cow: new blocks, the rest of the edge blocks copied from the old
};

/// One piece: whole blocks, in file order. `old` is where they are now; nothing for kFill.
struct WritePiece {
  FileRange range;
  Pfn old;
  WriteWay way;
};

using WritePlan = absl::InlinedVector<WritePiece, 4>;

/// The plan for writing to `range`. Covers it without gaps; neighbours that could be one piece may
/// be two. The caller holds the inode's metadata lock. The plan stays right while it holds the I/O
/// lock, except that a piece to be replaced may meanwhile be ours alone. EUCLEAN, EIO.
Result<WritePlan> PlanWrite(Volume& volume, const InodeSlot& slot, FileRange range);

/// The blocks from the first to the last piece that is replaced; empty if none is.
FileRange ReplacedPart(const WritePlan& plan);
/// Can the whole plan be done without a transaction?
bool IsInPlace(const WritePlan& plan);

}  // namespace holdfast::fsmeta
