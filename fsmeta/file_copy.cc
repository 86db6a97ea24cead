// SPDX-License-Identifier: Apache-2.0
// copy_file_range: blocks are shared where they can be, the rest is copied.
#include <algorithm>

#include "fsmeta/file_data.h"
#include "fsmeta/lazy_times.h"
#include "fsmeta/lock_pair.h"

namespace holdfast::fsmeta {
namespace {

// Copied by one write, and by one call: the caller comes again for the rest, so that no worker and
// no lock is kept for long.
constexpr uint64_t kCopyAtOnce = uint64_t{1} << 20;
constexpr uint64_t kCopyPerCall = uint64_t{16} << 20;

// The part of `origin` whose blocks can be shared: whole ones, and the last one too if both files
// end in it. Empty (end <= offset) where there is none.
ByteSpan ShareablePart(ByteSpan origin, ByteSpan target, uint64_t source_size,
                       uint64_t destination_size) {
  if (origin.offset % kBlockSize != target.offset % kBlockSize) return {};
  const bool both_end = origin.end == source_size && target.end >= destination_size;
  return {AlignUp(origin.offset, kBlockSize),
          both_end ? origin.end : AlignDown(origin.end, kBlockSize)};
}

}  // namespace

Result<uint64_t> FileData::CopyRange(const OpContext& op, Ino source, uint64_t source_offset,
                                     Ino destination, uint64_t destination_offset,
                                     uint64_t length) {
  const InodeRef source_ref = volume_.live().Get(source);
  const InodeRef destination_ref = volume_.live().Get(destination);
  LiveInode& from = *source_ref;
  LiveInode& to = *destination_ref;
  LockPair io(from.ino, from.io, to.ino, to.io);
  HOLDFAST_ASSIGN(const FileState source_state, Survey(from));
  HOLDFAST_ASSIGN(const FileState state, Survey(to));
  if (source_offset >= source_state.size || length == 0) return 0;
  length = std::min(length, source_state.size - source_offset);
  HOLDFAST_ASSIGN(const ByteSpan target, ByteSpan::Of(destination_offset, length));
  const ByteSpan origin{source_offset, source_offset + length};
  if (source == destination && origin.offset < target.end && target.offset < origin.end) {
    return Fail(EINVAL, "source and destination overlap");
  }
  const ByteSpan shared = ShareablePart(origin, target, source_state.size, state.size);
  if (shared.offset >= shared.end) return CopyBytes(op, from, origin, to, target.offset);

  uint64_t done = 0;
  const auto add = [&done](Result<uint64_t> part) {
    if (part) done += *part;
    return part;
  };
  const ByteSpan head{origin.offset, shared.offset};
  auto part = add(CopyBytes(op, from, head, to, target.offset));
  if (part && done == head.length()) {
    part = ShareSpan(op, from, shared, to, target.offset + done);
    // What somebody may store to cannot be shared, but copied it can be.
    if (!part && part.error().code == EBUSY) {
      part = CopyBytes(op, from, shared, to, target.offset + done);
    }
    part = add(std::move(part));
    if (part && shared.end != origin.end) {
      part = add(CopyBytes(op, from, {shared.end, origin.end}, to, target.offset + done));
    }
  }
  // What was done counts; the caller meets the error when it comes for the rest.
  if (!part && done == 0) return part;
  return done;
}

Result<uint64_t> FileData::ShareSpan(const OpContext& op, LiveInode& source, ByteSpan from,
                                     LiveInode& destination, uint64_t to) {
  const FileRange blocks = ByteSpan{to, to + from.length()}.blocks();
  HOLDFAST_TRY(
      Share(op, source, destination, {FileBlockOf(from.offset), blocks, to + from.length()}));
  return from.length();
}

Result<uint64_t> FileData::CopyBytes(const OpContext& op, LiveInode& source, ByteSpan from,
                                     LiveInode& destination, uint64_t to) {
  from.end = std::min(from.end, from.offset + kCopyPerCall);
  uint64_t done = 0;
  while (from.offset + done < from.end) {
    const uint64_t at = from.offset + done;
    const ByteSpan part{at, std::min(from.end, at + kCopyAtOnce)};
    Pieces pieces;
    {
      absl::ReaderMutexLock meta(&source.meta);
      HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(source));
      HOLDFAST_TRY(Locate(*slot, part, &pieces));
      TouchAccessed(source, *slot, volume_.atime_mode());
    }
    const ByteSpan target{to + done, to + done + part.length()};
    const auto written = WriteLocked(op, destination, target, pieces, LosesPrivileges(op));
    if (!written && done == 0) return written;
    if (!written) break;
    done += *written;
    if (*written < part.length()) break;
  }
  return done;
}

}  // namespace holdfast::fsmeta
