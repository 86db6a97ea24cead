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

Result<BrokenLayout> FileData::Break(const OpContext& op, LiveInode& inode, FileRange range,
                                     BreakReason reason) {
  if (range.empty() || inode.layout.untouched()) return BrokenLayout{};
  HOLDFAST_ASSIGN(BreakOutcome outcome, WithAttempt(op, [&](BreakAttempt& attempt) {
                    return volume_.layouts().Break(inode.layout, range, reason, attempt);
                  }));
  return BrokenLayout{std::move(outcome), {}};
}

Result<BrokenLayout> FileData::BreakAtOnce(LiveInode& inode, FileRange range) {
  if (inode.layout.untouched()) return BrokenLayout{};
  BreakAttempt attempt;
  attempt.IgnoreInterrupts();
  attempt.OverridePolicy(BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  HOLDFAST_ASSIGN(BreakOutcome outcome,
                  volume_.layouts().Break(inode.layout, range, BreakReason::kUnmap, attempt));
  return BrokenLayout{std::move(outcome), {}};
}

void FileData::Settle(LiveInode& inode, FileRange range, const BrokenLayout& broken) {
  if (range.empty() || inode.layout.untouched()) return;
  LayoutManager& layouts = volume_.layouts();
  if (!broken.leaving.empty()) layouts.Quarantine(inode.layout, broken.leaving, broken.outcome);
  // Busy blocks that stayed in the file keep their entries.
  FileBlock at = range.start;
  for (const FileRange& busy : broken.outcome.busy) {
    if (at < busy.start) layouts.DropEntries(inode.layout, {at, busy.start}, Drop::kTruncate);
    at = busy.end;
  }
  if (at < range.end) layouts.DropEntries(inode.layout, {at, range.end}, Drop::kTruncate);
}

}  // namespace holdfast::fsmeta
