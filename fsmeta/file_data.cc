// SPDX-License-Identifier: Apache-2.0
// What every change of a file's data has around it: checks, broken layouts, and what follows.
#include "fsmeta/file_data.h"

#include <sys/stat.h>

#include "daxcore/media_failure.h"

namespace holdfast::fsmeta {

Result<const InodeSlot*> FileData::ReadRegular(LiveInode& inode) {
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), inode.ino));
  if (S_ISREG(slot->mode)) return slot;
  return Fail(S_ISDIR(slot->mode) ? EISDIR : EINVAL);
}

Result<FileData::FileState> FileData::Survey(LiveInode& inode) {
  HOLDFAST_TRY(volume_.CheckWritable());
  for (bool finished = false;; finished = true) {
    {
      absl::ReaderMutexLock meta(&inode.meta);
      HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
      if ((slot->flags & kInodeTruncating) == 0 || finished) {
        return FileState{slot->size, (slot->flags & kInodeMayShare) != 0};
      }
    }
    // The blocks past the end hold old data that growing the file would show again.
    HOLDFAST_TRY(FinishTruncateLocked(inode));
  }
}

Result<BrokenLayout> FileData::Break(const OpContext& op, LiveInode& inode, FileRange range) {
  if (range.empty() || inode.layout.untouched()) return BrokenLayout{};
  HOLDFAST_ASSIGN(BreakOutcome outcome, WithAttempt(op, [&](BreakAttempt& attempt) {
                    return volume_.layouts().Break(inode.layout, range, BreakReason::kUnmap,
                                                   attempt);
                  }));
  return Unmapped(inode, range, std::move(outcome));
}

Result<BrokenLayout> FileData::BreakAtOnce(LiveInode& inode, FileRange range) {
  if (range.empty() || inode.layout.untouched()) return BrokenLayout{};
  BreakAttempt attempt;
  attempt.IgnoreInterrupts();
  attempt.OverridePolicy(BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  HOLDFAST_ASSIGN(BreakOutcome outcome,
                  volume_.layouts().Break(inode.layout, range, BreakReason::kUnmap, attempt));
  return Unmapped(inode, range, std::move(outcome));
}

Result<void> FileData::RecallForWrite(const OpContext& op, LiveInode& inode, FileRange range) {
  if (inode.layout.untouched()) return {};
  HOLDFAST_TRY(WithAttempt(op, [&](BreakAttempt& attempt) {
    return volume_.layouts().Break(inode.layout, range, BreakReason::kWrite, attempt);
  }));
  return {};
}

// The entries go before the transaction, not after it: as soon as that has committed, another file
// may get and map the blocks, whose descriptors must be idle by then (P9).
BrokenLayout FileData::Unmapped(LiveInode& inode, FileRange range, BreakOutcome outcome) {
  FileBlock at = range.start;
  for (const FileRange& busy : outcome.busy) {
    if (at < busy.start) {
      volume_.layouts().DropEntries(inode.layout, {at, busy.start}, Drop::kTruncate);
    }
    at = busy.end;
  }
  if (at < range.end) volume_.layouts().DropEntries(inode.layout, {at, range.end}, Drop::kTruncate);
  return BrokenLayout{range, std::move(outcome), {}};
}

void FileData::Settle(LiveInode& inode, const BrokenLayout& broken, bool committed) {
  if (broken.range.empty()) return;
  if (!committed) {
    FlushMapped(inode, broken.range);
  } else if (!broken.leaving.empty()) {
    volume_.layouts().Quarantine(inode.layout, broken.leaving, broken.outcome);
  }
}

// The file keeps the blocks, but which of them clients stored to is forgotten with the entries.
void FileData::FlushMapped(LiveInode& inode, FileRange range) {
  absl::ReaderMutexLock meta(&inode.meta);
  const auto slot = ReadRegular(inode);
  if (!slot) return;
  const auto flush = [&](const Extent& extent) {
    const Extent part = Clip(extent, range);
    daxcore::FlushPastFailures(volume_.region(), ByteOffset(part.run.start),
                               Bytes(part.run.length));
    return true;
  };
  if (volume_.extents().ForEach(volume_.medium(), **slot, range.start, range.end, flush)) {
    store_.Drain();
  }
}

}  // namespace holdfast::fsmeta
