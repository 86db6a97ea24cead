// SPDX-License-Identifier: Apache-2.0
// Walking the extents under a write and deciding what happens to each.
#include "fsmeta/write_plan.h"

#include <algorithm>

#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {
namespace {

void Add(FileRange range, Pfn old, WriteWay way, WritePlan* plan) {
  if (!range.empty()) plan->push_back({range, old, way});
}

void AddExtent(const Extent& extent, FileRange part, DataMode mode, WritePlan* plan) {
  const Pfn old = extent.run.start + (part.start - extent.file_block);
  if (extent.unwritten()) {
    Add(part, old, WriteWay::kConvert, plan);
  } else {
    const bool replaces = mode == DataMode::kCow && !Seeded(SeededBug::kCowWritesInPlace);
    Add(part, old, replaces ? WriteWay::kReplace : WriteWay::kInPlace, plan);
  }
}

// Splits what the plan writes in place by who owns it.
Result<void> ReplaceShared(Transaction& tx, const Refcounts& refcounts, const WritePlan& plan,
                           WritePlan* out) {
  out->clear();
  for (const WritePiece& piece : plan) {
    if (piece.way != WriteWay::kInPlace) {
      out->push_back(piece);
      continue;
    }
    HOLDFAST_ASSIGN(const auto counted, refcounts.Lookup(tx, {piece.old, piece.range.length()}));
    FileBlock at = piece.range.start;
    for (const CountedRun& part : counted) {
      const FileBlock end = at + part.run.length;
      Add({at, end}, part.run.start, part.count > 1 ? WriteWay::kReplace : WriteWay::kInPlace, out);
      at = end;
    }
  }
  return {};
}

}  // namespace

Result<WritePlan> PlanWrite(Volume& volume, const InodeSlot& slot, FileRange range) {
  WritePlan plan;
  const DataMode mode = volume.options().data;
  FileBlock at = range.start;
  HOLDFAST_TRY(volume.extents().ForEach(
      volume.medium(), slot, range.start, range.end, [&](const Extent& extent) {
        const FileRange part = FileRange{extent.file_block, extent.end()}.Intersect(range);
        Add({at, part.start}, Pfn(0), WriteWay::kFill, &plan);
        AddExtent(extent, part, mode, &plan);
        at = part.end;
        return true;
      }));
  Add({at, range.end}, Pfn(0), WriteWay::kFill, &plan);
  if ((slot.flags & kInodeMayShare) == 0 || mode == DataMode::kCow) return plan;

  WritePlan split;
  HOLDFAST_TRY(volume.transactions().Run(
      [&](Transaction& tx) { return ReplaceShared(tx, volume.refcounts(), plan, &split); }));
  return split;
}

FileRange ReplacedPart(const WritePlan& plan) {
  FileRange part{FileBlock(0), FileBlock(0)};
  for (const WritePiece& piece : plan) {
    if (piece.way != WriteWay::kReplace) continue;
    part = part.empty() ? piece.range : FileRange{part.start, piece.range.end};
  }
  return part;
}

bool IsInPlace(const WritePlan& plan) {
  return std::ranges::all_of(
      plan, [](const WritePiece& piece) { return piece.way == WriteWay::kInPlace; });
}

}  // namespace holdfast::fsmeta
