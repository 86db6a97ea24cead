// SPDX-License-Identifier: Apache-2.0
// Finding extents, and the operations on ranges of a file.
#include "fsmeta/extent_map.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "fsmeta/extent_change.h"
#include "fsmeta/extent_cursor.h"
#include "fsmeta/removal_cost.h"

namespace holdfast::fsmeta {
namespace {

std::optional<Extent> ExtentAt(const ExtentCursor& cursor, bool found) {
  if (!found) return std::nullopt;
  return cursor.extent();
}

Extent Clipped(const Extent& extent, FileBlock from, FileBlock to) {
  return extent.Part(std::max(extent.file_block, from), std::min(extent.end(), to));
}

}  // namespace

Result<std::optional<Extent>> ExtentMap::Find(MetaReader& reader, const InodeSlot& slot,
                                              FileBlock block) const {
  ExtentCursor cursor(reader, tools_.allocator, slot);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekAtMost(block));
  return ExtentAt(cursor, found && cursor.extent().end() > block);
}

Result<std::optional<Extent>> ExtentMap::Next(MetaReader& reader, const InodeSlot& slot,
                                              FileBlock block) const {
  ExtentCursor cursor(reader, tools_.allocator, slot);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekEndingAfter(block));
  return ExtentAt(cursor, found);
}

Result<std::optional<Extent>> ExtentMap::Before(MetaReader& reader, const InodeSlot& slot,
                                                FileBlock block) const {
  if (block == FileBlock(0)) return std::nullopt;
  ExtentCursor cursor(reader, tools_.allocator, slot);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekAtMost(block - BlockCount(1)));
  return ExtentAt(cursor, found);
}

Result<void> ExtentMap::ForEach(MetaReader& reader, const InodeSlot& slot, FileBlock from,
                                FileBlock to, absl::FunctionRef<bool(const Extent&)> fn) const {
  ExtentCursor cursor(reader, tools_.allocator, slot);
  HOLDFAST_ASSIGN(bool more, cursor.SeekEndingAfter(from));
  while (more && cursor.extent().file_block < to && fn(cursor.extent())) {
    HOLDFAST_ASSIGN(more, cursor.Next());
  }
  return {};
}

Result<void> ExtentMap::Insert(Transaction& tx, InodeSlot* slot, const Extent& extent,
                               AllocFor purpose) const {
  const uint64_t at = extent.file_block.value();
  if (at >= kMaxFileBlocks || extent.length().value() > kMaxFileBlocks - at) return Fail(EFBIG);
  return ExtentChange(tx, tools_, slot, purpose).Map(extent);
}

Result<FileBlock> ExtentMap::Remove(Transaction& tx, InodeSlot* slot, FileBlock from, FileBlock to,
                                    size_t max_extents, std::vector<Extent>* out) const {
  ExtentChange change(tx, tools_, slot, AllocFor::kRemoval);
  for (size_t done = 0; done < max_extents && from < to; ++done) {
    HOLDFAST_ASSIGN(const auto found, change.Next(from));
    if (!found || found->file_block >= to) return to;
    const Extent cut = Clipped(*found, from, to);
    HOLDFAST_TRY(change.Unmap(*found, cut));
    out->push_back(cut);
    from = cut.end();
  }
  return std::min(from, to);
}

Result<FileBlock> ExtentMap::RemoveFitting(Transaction& tx, InodeSlot* slot, FileBlock from,
                                           FileBlock to, std::vector<Extent>* out) const {
  uint64_t promised = 0;  // to the release of what was removed so far
  for (bool first = true; from < to; first = false) {
    HOLDFAST_ASSIGN(const auto next, Next(tx, *slot, from));
    if (!next || next->file_block >= to) return to;
    const bool whole = from <= next->file_block && next->end() <= to;
    HOLDFAST_ASSIGN(const RemovalCost cost, CostOfRemoval(tx, tools_, *slot, *next, whole));
    promised += cost.release;
    if (!first && !tx.FitsLane(cost.unmap + promised)) return from;
    HOLDFAST_ASSIGN(from, Remove(tx, slot, from, to, 1, out));
  }
  return to;
}

Result<void> ExtentMap::SetUnwritten(Transaction& tx, InodeSlot* slot, FileBlock from, FileBlock to,
                                     bool unwritten, AllocFor purpose) const {
  ExtentChange change(tx, tools_, slot, purpose);
  while (from < to) {
    HOLDFAST_ASSIGN(const auto found, change.Next(from));
    if (!found || found->file_block >= to) return {};
    Extent part = Clipped(*found, from, to);
    from = part.end();
    if (found->unwritten() == unwritten) continue;
    HOLDFAST_TRY(change.Unmap(*found, part));
    part.flags ^= kExtentUnwritten;
    HOLDFAST_TRY(change.Map(part));
  }
  return {};
}

Result<void> ExtentMap::Shift(Transaction& tx, InodeSlot* slot, FileBlock from, int64_t delta,
                              AllocFor purpose) const {
  if (delta == 0) return {};
  ExtentChange change(tx, tools_, slot, purpose);
  if (delta < 0) {
    const BlockCount distance(-static_cast<uint64_t>(delta));
    if (distance.value() > from.value()) return Fail(EINVAL);
    HOLDFAST_ASSIGN(const auto first, change.Next(from - distance));
    if (first && first->file_block < from) return Fail(EINVAL);
    HOLDFAST_TRY(change.Shift(from, delta));
    return change.MergeAt(from - distance);
  }
  HOLDFAST_ASSIGN(const auto last, Before(tx, *slot, FileBlock(kMaxFileBlocks)));
  if (!last || last->end() <= from) return {};
  if (static_cast<uint64_t>(delta) > kMaxFileBlocks - last->end().value()) return Fail(EFBIG);
  HOLDFAST_TRY(change.SplitAt(from));
  return change.Shift(from, delta);
}

Result<void> ReleaseExtents(Transaction& tx, const SpaceTools& tools,
                            std::span<const Extent> extents, std::vector<BlockRun>* freed) {
  for (const Extent& extent : extents) {
    HOLDFAST_ASSIGN(const auto unowned, tools.refcounts.Decrement(tx, extent.run));
    for (const BlockRun& run : unowned) {
      HOLDFAST_TRY(tools.allocator.Free(tx, run));
      if (freed != nullptr) freed->push_back(run);
    }
  }
  return {};
}

}  // namespace holdfast::fsmeta
