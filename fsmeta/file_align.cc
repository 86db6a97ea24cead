// SPDX-License-Identifier: Apache-2.0
// Moving blocks of a file to where programs can map them in huge pages, on regions made for those.
#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kHugePageShift = 21;
constexpr uint64_t kHugePageBlocks = uint64_t{1} << (kHugePageShift - kBlockShift);

FileBlock EndOfHugePage(FileBlock at) {
  return FileBlock((at.value() / kHugePageBlocks + 1) * kHugePageBlocks);
}

// Blocks of one huge page of the file, being looked at in order.
struct Part {
  FileRange range;
  uint64_t shift = 0;  // of the first block: its place in the region less that in the file
  bool well_placed = true;

  void Add(const Extent& piece) {
    const uint64_t its_shift = piece.run.start.value() - piece.file_block.value();
    if (range.empty()) {
      range = {piece.file_block, piece.end()};
      shift = its_shift;
      well_placed = shift % kHugePageBlocks == 0;
    } else {
      range.end = piece.end();
      well_placed = well_placed && its_shift == shift;
    }
  }
};

}  // namespace

Result<std::vector<FileRange>> FileData::MisplacedParts(LiveInode& inode, FileRange range) {
  std::vector<FileRange> misplaced;
  Part part;
  const auto finish_part = [&] {
    if (!part.range.empty() && !part.well_placed) misplaced.push_back(part.range);
    part = {};
  };
  const auto add = [&](const Extent& extent) {
    const Extent inside = Clip(extent, range);
    for (FileBlock at = inside.file_block; at < inside.end();) {
      const FileBlock end = std::min(inside.end(), EndOfHugePage(at));
      if (!part.range.empty() && EndOfHugePage(part.range.start) <= at) finish_part();
      part.Add(Clip(inside, {at, end}));
      at = end;
    }
    return true;
  };
  absl::ReaderMutexLock meta(&inode.meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
  HOLDFAST_TRY(volume_.extents().ForEach(volume_.medium(), *slot, range.start, range.end, add));
  finish_part();
  return misplaced;
}

// Contents stay as they are, so each part moved is a state of its own right. Who cannot map what
// had to stay where it is, is told so by mmap; everything else about the lease is the same.
Result<void> FileData::AlignToGeometry(const OpContext& op, LiveInode& inode, FileRange range) {
  if (volume_.medium().superblock().geometry_shift != kHugePageShift) return {};
  HOLDFAST_ASSIGN(const std::vector<FileRange> misplaced, MisplacedParts(inode, range));
  if (misplaced.empty()) return {};
  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken,
                  Break(op, inode, {misplaced.front().start, misplaced.back().end}));
  for (const FileRange& part : misplaced) {
    const auto moved =
        RunEdit(inode, &broken, [&](FileEdit& edit) { return edit.MoveIntoHugePage(part); });
    Settle(inode, broken, moved.has_value());
    if (!moved && moved.error().code == ENOSPC) return {};
    HOLDFAST_TRY(moved);
  }
  return {};
}

}  // namespace holdfast::fsmeta
