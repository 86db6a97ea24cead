// SPDX-License-Identifier: Apache-2.0
// Writing: in place where the blocks are ours, else through one transaction; durable on return.
#include <algorithm>

#include "fsmeta/file_data.h"
#include "fsmeta/lazy_times.h"
#include "fsmeta/privileges.h"
#include "fsmeta/seeded_bug.h"
#include "fsmeta/write_landing.h"

namespace holdfast::fsmeta {

Result<uint64_t> FileData::Write(const OpContext& op, Ino ino, uint64_t offset,
                                 std::span<const std::byte> data, bool kill_suid_sgid) {
  if (offset >= kMaxFileSize && !data.empty()) return Fail(EFBIG);
  const uint64_t length = std::min<uint64_t>(data.size(), kMaxFileSize - offset);
  const iovec piece{const_cast<std::byte*>(data.data()), length};
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::WriterMutexLock io(&inode.io);
  return WriteLocked(op, inode, {offset, offset + length}, {&piece, 1}, kill_suid_sgid);
}

Result<uint64_t> FileData::WriteBack(const OpContext& op, Ino ino, uint64_t offset,
                                     std::span<const std::byte> data) {
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::WriterMutexLock io(&inode.io);
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (offset >= state.size) return data.size();
  const uint64_t length = std::min<uint64_t>(data.size(), state.size - offset);
  const iovec piece{const_cast<std::byte*>(data.data()), length};
  HOLDFAST_ASSIGN(const uint64_t written, WriteLocked(op, inode, {offset, offset + length},
                                                      {&piece, 1}, /*kill_suid_sgid=*/false));
  return written == length ? data.size() : written;
}

Result<uint64_t> FileData::WriteLocked(const OpContext& op, LiveInode& inode, ByteSpan span,
                                       std::span<const iovec> pieces, bool kill_suid_sgid) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (span.length() == 0) return 0;
  HOLDFAST_TRY(RecallForWrite(op, inode, span.blocks()));
  WriteJob job{{span, pieces, state.size}, kill_suid_sgid, {}};
  bool privileged = false;
  {
    absl::ReaderMutexLock meta(&inode.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
    HOLDFAST_ASSIGN(job.plan, PlanWrite(volume_, *slot, span.blocks()));
    HOLDFAST_ASSIGN(privileged, HasPrivileges(volume_, volume_.medium(), *slot, kill_suid_sgid));
  }
  if (IsInPlace(job.plan) && span.end <= state.size && !privileged) {
    HOLDFAST_TRY(WriteInPlace(inode, job));
    return span.length();
  }
  const FileRange replaced = ReplacedBy(job, state);
  if (replaced.empty()) return WriteWithChange(inode, job, nullptr);

  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, Break(op, inode, replaced));
  auto written = WriteWithChange(inode, job, &broken);
  Settle(inode, broken, written.has_value());
  return written;
}

FileRange FileData::ReplacedBy(const WriteJob& job, const FileState& state) const {
  const FileRange replaced = ReplacedPart(job.plan);
  const FileBlock last = FileBlockOf(state.size);
  const bool grows_past_last = last < job.data.span.blocks().start;
  if (!grows_past_last || !state.may_share || state.size % kBlockSize == 0) return replaced;
  // What lies past the old end in the last block may have to be cleaned in a copy of it.
  return {last, std::max(replaced.end, last + BlockCount(1))};
}

Result<void> FileData::WriteInPlace(LiveInode& inode, const WriteJob& job) {
  for (const WritePiece& piece : job.plan) {
    const Landing landing{
        {piece.range.start, {piece.old, piece.range.length()}}, piece.way, Pfn(0)};
    HOLDFAST_TRY(FillLanding(store_, landing, job.data, job.data.span.end));
  }
  if (!Seeded(SeededBug::kWriteNotDrained)) store_.Drain();
  TouchModified(inode);
  return {};
}

// Where there is not room for everything, metadata included, less is written.
Result<uint64_t> FileData::WriteWithChange(LiveInode& inode, const WriteJob& job,
                                           BrokenLayout* broken) {
  for (uint64_t limit = job.data.span.blocks().length().value();; limit /= 2) {
    auto written = RunEdit(inode, broken,
                           [&](FileEdit& edit) { return WriteUpTo(edit, job, BlockCount(limit)); });
    if (written || written.error().code != ENOSPC || limit <= 1) return written;
  }
}

Result<uint64_t> FileData::WriteUpTo(FileEdit& edit, const WriteJob& job, BlockCount limit) {
  const ByteSpan span = job.data.span;
  const FileRange range = span.blocks();
  Landings landings;
  HOLDFAST_ASSIGN(const FileBlock reached, Land(edit, job.plan, range.start + limit, &landings));
  if (reached == range.start) return Fail(ENOSPC);
  const uint64_t end = std::min(span.end, ByteOffset(reached));

  if (FileBlockOf(job.data.old_size) < range.start) {
    HOLDFAST_TRY(edit.GrowTo(end));
  } else {
    edit.slot()->size = std::max(edit.slot()->size, end);
  }
  HOLDFAST_TRY(edit.StampModified(job.kill_suid_sgid));
  // Last, when every block is known and nothing is left that could ask for a restart. The commit
  // drains before its record counts.
  for (const Landing& landing : landings) {
    HOLDFAST_TRY(FillLanding(store_, landing, job.data, end));
  }
  return end - span.offset;
}

}  // namespace holdfast::fsmeta
