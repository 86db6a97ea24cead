// SPDX-License-Identifier: Apache-2.0
// Sharing blocks between files, or between places of one file. Costs O(extents).
#include <algorithm>

#include "fsmeta/file_data.h"
#include "fsmeta/lock_pair.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kUnaligned[] =
    "reflink works on whole blocks of 4096 bytes: align both offsets, and the length unless it "
    "ends "
    "at the source's end and nothing of the destination lies behind it";

bool Aligned(uint64_t v) { return v % kBlockSize == 0; }

}  // namespace

Result<void> FileData::Reflink(const OpContext& op, Ino source, uint64_t source_offset,
                               Ino destination, uint64_t destination_offset, uint64_t length) {
  if (!Aligned(source_offset) || !Aligned(destination_offset)) return Fail(EINVAL, kUnaligned);
  const InodeRef source_ref = volume_.live().Get(source);
  const InodeRef destination_ref = volume_.live().Get(destination);
  LiveInode& from = *source_ref;
  LiveInode& to = *destination_ref;
  LockPair io(from.ino, from.io, to.ino, to.io);
  HOLDFAST_ASSIGN(const FileState source_state, Survey(from));
  HOLDFAST_ASSIGN(const FileState state, Survey(to));
  if (source_offset > source_state.size || length > source_state.size - source_offset) {
    return Fail(EINVAL, "the range to share reaches past the end of the source");
  }
  if (length == 0) length = source_state.size - source_offset;
  if (length == 0) return {};
  HOLDFAST_ASSIGN(const ByteSpan target, ByteSpan::Of(destination_offset, length));
  const bool ends_with_files =
      source_offset + length == source_state.size && target.end >= state.size;
  if (!Aligned(length) && !ends_with_files) return Fail(EINVAL, kUnaligned);
  const FileBlock first = FileBlockOf(source_offset);
  const FileRange blocks = target.blocks();
  if (source == destination && blocks.Overlaps({first, first + blocks.length()})) {
    return Fail(EINVAL, "source and destination overlap");
  }
  return Share(op, from, to, {first, blocks, target.end});
}

Result<void> FileData::Share(const OpContext& op, LiveInode& source, LiveInode& destination,
                             const ShareJob& job) {
  uint64_t old_size = 0;
  {
    absl::ReaderMutexLock meta(&destination.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(destination));
    old_size = slot->size;
  }
  FileRange changed = job.to;
  if (job.end > old_size) changed.start = std::min(changed.start, FileBlockOf(old_size));
  const FileRange read{job.from, job.from + job.to.length()};

  absl::MutexLock layout(&destination.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, BreakForSharing(op, source, read, destination, changed));
  auto shared = ShareUnmapped(op, source, destination, job, &broken);
  Settle(destination, broken, shared.has_value());
  return shared;
}

Result<void> FileData::ShareUnmapped(const OpContext& op, LiveInode& source, LiveInode& destination,
                                     const ShareJob& job, BrokenLayout* broken) {
  LockPair meta(source.ino, source.meta, destination.ino, destination.meta);
  return volume_.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(FileEdit to, FileEdit::Begin(volume_, tx, destination, broken));
    HOLDFAST_TRY(to.GrowTo(job.end));
    if (source.ino == destination.ino) {
      HOLDFAST_TRY(to.ShareFrom(to, job.from, job.to));
    } else {
      HOLDFAST_ASSIGN(FileEdit from, FileEdit::Begin(volume_, tx, source, nullptr));
      HOLDFAST_TRY(to.ShareFrom(from, job.from, job.to));
    }
    return to.StampModified(LosesPrivileges(op));
  });
}

Result<BrokenLayout> FileData::BreakForSharing(const OpContext& op, LiveInode& source,
                                               FileRange read, LiveInode& destination,
                                               FileRange changed) {
  if (source.layout.untouched() && destination.layout.untouched()) return BrokenLayout{};
  HOLDFAST_ASSIGN(auto outcomes, WithAttempt(op, [&](BreakAttempt& attempt) {
                    return volume_.layouts().BreakTwo(destination.layout, changed,
                                                      BreakReason::kUnmap, source.layout, read,
                                                      BreakReason::kShare, attempt);
                  }));
  return Unmapped(destination, changed, std::move(outcomes.first));
}

}  // namespace holdfast::fsmeta
