// SPDX-License-Identifier: Apache-2.0
// Making a range fit for a client that stores to its blocks itself: no hole, nothing shared, all
// where the geometry wants it.
#include <algorithm>

#include "fsmeta/file_data.h"
#include "fsmeta/lazy_times.h"

namespace holdfast::fsmeta {
namespace {

// Zeroed in one transaction, which keeps the groups it allocates from to itself meanwhile.
constexpr BlockCount kFillAtOnce{2048};

}  // namespace

// Everything that may have to wait comes before anything changes.
Result<void> FileData::PrepareForStores(const OpContext& op, LiveInode& inode, FileRange range) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (range.end > FileBlockCeil(state.size)) return Fail(EINVAL);
  HOLDFAST_ASSIGN(const std::vector<FileRange> missing, UnwrittenParts(inode, range));
  // Whoever was told of a hole must learn that there is none any more, as of any write to it.
  if (!missing.empty()) {
    HOLDFAST_TRY(RecallForWrite(op, inode, {missing.front().start, missing.back().end}));
  }
  if (state.may_share) HOLDFAST_TRY(UnshareBlocks(op, inode, range));
  for (const FileRange& part : missing) HOLDFAST_TRY(FillWithZeroes(inode, part));
  HOLDFAST_TRY(AlignToGeometry(op, inode, range));
  TouchModified(inode);
  return {};
}

Result<std::vector<FileRange>> FileData::UnwrittenParts(LiveInode& inode, FileRange range) {
  std::vector<FileRange> missing;
  FileBlock at = range.start;
  absl::ReaderMutexLock meta(&inode.meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
  const auto skip_written = [&](const Extent& extent) {
    if (extent.unwritten()) return true;
    const Extent part = Clip(extent, range);
    if (at < part.file_block) missing.push_back({at, part.file_block});
    at = part.end();
    return true;
  };
  HOLDFAST_TRY(
      volume_.extents().ForEach(volume_.medium(), *slot, range.start, range.end, skip_written));
  if (at < range.end) missing.push_back({at, range.end});
  return missing;
}

Result<void> FileData::FillStep(FileEdit& edit, FileRange step) {
  HOLDFAST_TRY(edit.FillHoles(step));
  HOLDFAST_ASSIGN(const std::vector<Extent> mapped, edit.Mapped(step));
  HOLDFAST_TRY(edit.SetWritten(step));
  // Last, when nothing is left that could ask for a restart. The commit drains before its record
  // counts.
  for (const Extent& extent : mapped) {
    HOLDFAST_TRY(store_.Zero(ByteOffset(extent.run.start), Bytes(extent.run.length)));
  }
  return {};
}

// Each step is a state of its own right: what read as zeroes still does.
Result<void> FileData::FillWithZeroes(LiveInode& inode, FileRange range) {
  for (FileBlock at = range.start; at < range.end;) {
    const FileRange step{at, std::min(range.end, at + kFillAtOnce)};
    HOLDFAST_TRY(RunEdit(inode, nullptr, [&](FileEdit& edit) { return FillStep(edit, step); }));
    at = step.end;
  }
  return {};
}

}  // namespace holdfast::fsmeta
