// SPDX-License-Identifier: Apache-2.0
// What every change of a file's data has around it: checks, broken layouts, and what follows.
#include "fsmeta/file_data.h"

#include <sys/stat.h>

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

// All of its range is past the end, or goes with the file: nothing of it needs to be flushed.
Result<BrokenLayout> FileData::BreakAtOnce(LiveInode& inode, FileRange range) {
  if (range.empty() || inode.layout.untouched()) return BrokenLayout{};
  BreakAttempt attempt;
  attempt.IgnoreInterrupts();
  attempt.OverridePolicy(BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  HOLDFAST_ASSIGN(BreakOutcome outcome,
                  volume_.layouts().Break(inode.layout, range, BreakReason::kUnmap, attempt));
  return Forgotten(inode, range, std::move(outcome));
}

Result<void> FileData::RecallForWrite(const OpContext& op, LiveInode& inode, FileRange range) {
  if (inode.layout.untouched()) return {};
  HOLDFAST_TRY(WithAttempt(op, [&](BreakAttempt& attempt) {
    return volume_.layouts().Break(inode.layout, range, BreakReason::kWrite, attempt);
  }));
  return {};
}

// With the entries it is forgotten which blocks clients stored to, and many of them may stay: what
// is shifted, edges, everything where the transaction fails.
BrokenLayout FileData::Unmapped(LiveInode& inode, FileRange range, BreakOutcome outcome) {
  volume_.layouts().FlushDirty(inode.layout, range, volume_.region());
  return Forgotten(inode, range, std::move(outcome));
}

// The entries go before the transaction, not after it: as soon as that has committed, another file
// may get and map the blocks, whose descriptors must be idle by then (P9).
BrokenLayout FileData::Forgotten(LiveInode& inode, FileRange range, BreakOutcome outcome) {
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
  if (!committed || broken.leaving.empty()) return;
  volume_.layouts().Quarantine(inode.layout, broken.leaving, broken.outcome);
}

}  // namespace holdfast::fsmeta
