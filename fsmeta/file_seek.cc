// SPDX-License-Identifier: Apache-2.0
// SEEK_DATA and SEEK_HOLE.
#include <unistd.h>

#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {
namespace {

// Unwritten blocks read zero, so both count them as a hole.

// Start of the first written block at or behind `block`; kFileEnd if there is none.
Result<FileBlock> NextData(const ExtentMap& extents, MetaReader& reader, const InodeSlot& slot,
                           FileBlock block) {
  FileBlock found = kFileEnd;
  HOLDFAST_TRY(extents.ForEach(reader, slot, block, kFileEnd, [&](const Extent& extent) {
    if (!extent.unwritten()) found = std::max(block, extent.file_block);
    return extent.unwritten();
  }));
  return found;
}

// First block at or behind `block` that is not written.
Result<FileBlock> NextHole(const ExtentMap& extents, MetaReader& reader, const InodeSlot& slot,
                           FileBlock block) {
  HOLDFAST_TRY(extents.ForEach(reader, slot, block, kFileEnd, [&](const Extent& extent) {
    if (extent.unwritten() || extent.file_block > block) return false;
    block = extent.end();
    return true;
  }));
  return block;
}

}  // namespace

Result<uint64_t> FileData::Seek(Ino ino, uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Fail(EINVAL);
  const InodeRef ref = volume_.live().Get(ino);
  absl::ReaderMutexLock meta(&ref->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(*ref));
  if (offset >= slot->size) return Fail(ENXIO);
  const auto next = whence == SEEK_DATA ? NextData : NextHole;
  HOLDFAST_ASSIGN(const FileBlock block,
                  next(volume_.extents(), volume_.medium(), *slot, FileBlockOf(offset)));
  const uint64_t found = std::max(offset, ByteOffset(block));
  if (found < slot->size) return found;
  return whence == SEEK_HOLE ? Result<uint64_t>(slot->size) : Fail(ENXIO);
}

}  // namespace holdfast::fsmeta
