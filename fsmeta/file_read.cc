// SPDX-License-Identifier: Apache-2.0
// Reading: where the bytes are, handed out while nothing can change them.
#include <algorithm>

#include "daxcore/media_failure.h"
#include "fsmeta/file_data.h"
#include "fsmeta/lazy_times.h"

namespace holdfast::fsmeta {
namespace {

void AddZeroes(uint64_t length, absl::InlinedVector<iovec, 16>* pieces) {
  while (length != 0) {
    const uint64_t part = std::min(length, ZeroBytes::kLength);
    pieces->push_back({const_cast<std::byte*>(ZeroBytes::Area()), part});
    length -= part;
  }
}

}  // namespace

Result<void> FileData::Locate(const InodeSlot& slot, ByteSpan span, Pieces* pieces) {
  const FileRange blocks = span.blocks();
  uint64_t at = span.offset;
  Result<void> readable;
  const auto add = [&](const Extent& extent) {
    if (extent.unwritten()) return true;
    const uint64_t begin = std::max(at, ByteOffset(extent.file_block));
    const uint64_t end = std::min(span.end, ByteOffset(extent.end()));
    AddZeroes(begin - at, pieces);
    const uint64_t from = ByteOffset(extent.run.start) + (begin - ByteOffset(extent.file_block));
    pieces->push_back({volume_.region().Target(from), end - begin});
    at = end;
    readable = volume_.failure().CheckReadable(from, end - begin);
    return readable.has_value();
  };
  HOLDFAST_TRY(volume_.extents().ForEach(volume_.medium(), slot, blocks.start, blocks.end, add));
  AddZeroes(span.end - at, pieces);
  return readable;
}

Result<void> FileData::Read(Ino ino, uint64_t offset, uint64_t length,
                            absl::FunctionRef<void(std::span<const iovec>)> reply) {
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  // Held until the reply is out: extents change only under it.
  absl::ReaderMutexLock io(&inode.io);
  Pieces pieces;
  {
    absl::ReaderMutexLock meta(&inode.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
    if (offset < slot->size && length != 0) {
      const uint64_t end = offset + std::min(length, slot->size - offset);
      HOLDFAST_TRY(Locate(*slot, {offset, end}, &pieces));
    }
    TouchAccessed(inode, *slot, volume_.atime_mode());
  }
  reply(pieces);
  return {};
}

}  // namespace holdfast::fsmeta
