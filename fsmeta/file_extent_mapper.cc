// SPDX-License-Identifier: Apache-2.0
// One extent at a time, cut where its sharing changes.
#include "fsmeta/file_extent_mapper.h"

#include <algorithm>

#include "daxcore/media_failure.h"
#include "fsmeta/file_edit.h"

namespace holdfast::fsmeta {

using daxcore::ExtentState;
using daxcore::MappedExtent;

Result<MappedExtent> FileExtentMapper::Map(Ino ino, FileBlock index, FileBlock end) {
  const InodeRef inode = volume_.live().Get(ino);
  absl::ReaderMutexLock meta(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
  HOLDFAST_ASSIGN(const std::optional<Extent> next,
                  volume_.extents().Next(volume_.medium(), *slot, index));
  if (!next || next->file_block > index) {
    const FileBlock until = next ? std::min(end, next->file_block) : end;
    return MappedExtent{index, until - index, Pfn(0), ExtentState::kHole};
  }
  const Extent part = Clip(*next, {index, end});
  if (!part.unwritten()) return MapWritten(*slot, part);
  return MappedExtent{index, part.run.length, part.run.start, ExtentState::kUnwritten};
}

Result<MappedExtent> FileExtentMapper::MapWritten(const InodeSlot& slot, const Extent& part) {
  // Failed memory is given to nobody (F3).
  const uint64_t good =
      volume_.failure().GoodPrefix(ByteOffset(part.run.start), Bytes(part.run.length));
  if (good == 0) return Fail(EIO);
  const BlockRun run{part.run.start, BlockCount(good >> kBlockShift)};
  MappedExtent mapped{part.file_block, run.length, run.start, ExtentState::kWritten};
  if ((slot.flags & kInodeMayShare) == 0) return mapped;
  // A transaction only to take the lock of the group.
  HOLDFAST_ASSIGN(
      const CountedRun first,
      volume_.transactions().Run([&](Transaction& tx) -> Result<CountedRun> {
        HOLDFAST_TRY(tx.Lock({ResourceClass::kGroup, volume_.allocator().GroupOf(run.start)}));
        return volume_.refcounts().LookupFirst(tx, run);
      }));
  mapped.length = first.run.length;
  mapped.shared = first.count > 1;
  return mapped;
}

}  // namespace holdfast::fsmeta
