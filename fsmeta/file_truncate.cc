// SPDX-License-Identifier: Apache-2.0
// Changing the size, and the chain of transactions that drops what lies past the end.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {
namespace {

// Drops as many extents past the end as one lane's record has room for. True when none is left.
Result<bool> DropSomePastEnd(FileEdit& edit) {
  HOLDFAST_ASSIGN(const FileBlock reached,
                  edit.DropFitting({FileBlockCeil(edit.slot()->size), kFileEnd}));
  return reached == kFileEnd;
}

}  // namespace

Result<void> FileData::SetSize(const OpContext& op, Ino ino, uint64_t size, bool kill_suid_sgid) {
  if (size > kMaxFileSize) return Fail(EFBIG);
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::WriterMutexLock io(&inode.io);
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (size <= state.size) return Shrink(op, inode, state.size, size, kill_suid_sgid);
  const FileRange grown{FileBlockOf(state.size), FileBlockCeil(size)};
  return Change(op, inode, grown, [&](FileEdit& edit) -> Result<void> {
    HOLDFAST_TRY(edit.GrowTo(size));
    return edit.StampModified(kill_suid_sgid);
  });
}

Result<void> FileData::Shrink(const OpContext& op, LiveInode& inode, uint64_t old_size,
                              uint64_t size, bool kill_suid_sgid) {
  // The last block too, if a part of it goes: whoever maps it sees the file's end there.
  const FileRange cut{size < old_size ? FileBlockOf(size) : FileBlockCeil(size), kFileEnd};
  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, Break(op, inode, cut));
  HOLDFAST_ASSIGN(const bool done, CutAt(inode, size, &broken, [&](FileEdit& edit) -> Result<void> {
                    return edit.StampModified(kill_suid_sgid);
                  }));
  if (done) return {};
  auto dropped = DropPastEnd(inode, &broken);
  if (dropped || volume_.medium().is_shut_down()) return dropped;
  // The file has its new size, so this was no failure.
  spdlog::warn("inode {}: blocks past its end are freed at its next change or the next mount: {}",
               inode.ino.value(), dropped.error().Text());
  return {};
}

Result<bool> FileData::CutAt(LiveInode& inode, uint64_t size, BrokenLayout* broken,
                             absl::FunctionRef<Result<void>(FileEdit&)> also) {
  bool done = false;
  std::optional<FileTail> tail;
  auto cut_off = RunEdit(inode, broken, [&](FileEdit& edit) -> Result<void> {
    edit.slot()->size = size;
    HOLDFAST_TRY(also(edit));
    HOLDFAST_ASSIGN(tail, edit.WrittenTail());
    HOLDFAST_ASSIGN(done, DropSomePastEnd(edit));
    return done ? Result<void>() : edit.BeginTruncation();
  });
  Settle(inode, *broken, cut_off.has_value());
  HOLDFAST_TRY(std::move(cut_off));
  // Nobody sees these bytes any more, but a client that maps the block would.
  if (tail && tail->ours) {
    HOLDFAST_TRY(store_.Zero(tail->offset, tail->length));
    // Another thread that makes the file longer finds zeroes and takes them for durable ones.
    store_.Drain();
  }
  return done;
}

Result<void> FileData::DropPastEnd(LiveInode& inode, BrokenLayout* broken) {
  for (bool done = false; !done;) {
    auto step = RunEdit(inode, broken, [&](FileEdit& edit) -> Result<void> {
      HOLDFAST_ASSIGN(done, DropSomePastEnd(edit));
      return done ? edit.EndTruncation() : Result<void>();
    });
    Settle(inode, *broken, step.has_value());
    if (!step) return step;
  }
  return {};
}

Result<void> FileData::FinishTruncate(Ino ino) {
  const InodeRef ref = volume_.live().Get(ino);
  absl::WriterMutexLock io(&ref->io);
  HOLDFAST_TRY(Survey(*ref));
  return {};
}

Result<void> FileData::FinishTruncateLocked(LiveInode& inode) {
  uint64_t size = 0;
  {
    absl::ReaderMutexLock meta(&inode.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
    size = slot->size;
  }
  const FileRange cut{FileBlockCeil(size), kFileEnd};
  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, BreakAtOnce(inode, cut));
  return DropPastEnd(inode, &broken);
}

Result<void> FileData::ReleaseAll(LiveInode& inode) {
  absl::WriterMutexLock io(&inode.io);
  {
    absl::ReaderMutexLock meta(&inode.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
    if (slot->blocks == 0) return {};
  }
  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, BreakAtOnce(inode, kWholeFile));
  HOLDFAST_ASSIGN(const bool done,
                  CutAt(inode, 0, &broken, [](FileEdit&) { return Result<void>(); }));
  return done ? Result<void>() : DropPastEnd(inode, &broken);
}

}  // namespace holdfast::fsmeta
