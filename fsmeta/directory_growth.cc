// SPDX-License-Identifier: Apache-2.0
// Where a directory's new entries go: finding room, adding blocks, punching empty ones out.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "fsmeta/directory.h"

namespace holdfast::fsmeta {
namespace {

// Blocks an insertion looks at before it adds one, and extents it passes looking for a hole to put
// that into: what keeps insertion O(log n) in a directory of any history.
constexpr int kBlocksToTry = 4;
constexpr int kExtentsToPass = 4;
// Positions must stay below 2^63 (they are cookies, which are off_t).
constexpr uint64_t kMaxDirectoryBlocks = uint64_t{1} << 40;

FileBlock EndOf(const InodeSlot& slot) { return FileBlockOf(slot.size); }

}  // namespace

Result<void> Directories::Insert(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                                 const EntryTarget& target) const {
  HOLDFAST_ASSIGN(const Place place, PlaceWithRoom(tx, dir, RecordBytes(name.name.size())));
  HOLDFAST_ASSIGN(const bool inserted, InsertAt(tx, dir, place, name, target));
  if (!inserted) return Fail(EUCLEAN);  // it was just seen to have room
  ++dir.slot->dir_entries;
  return {};
}

Result<Directories::Place> Directories::PlaceWithRoom(Transaction& tx, const DirectoryEdit& dir,
                                                      uint32_t bytes) const {
  for (int tries = 0; tries < kBlocksToTry; ++tries) {
    HOLDFAST_ASSIGN(const std::optional<Place> place, Candidate(tx, dir, bytes));
    if (!place) break;
    HOLDFAST_ASSIGN(const bool has_room, HasRoom(tx, dir, *place, bytes));
    if (has_room) return *place;
  }
  // The last block is the likeliest to have room: without a look at it, a directory that comes in
  // core for every insertion would grow by a block each time.
  HOLDFAST_ASSIGN(const auto last, extents_.Before(tx, *dir.slot, EndOf(*dir.slot)));
  if (last && !dir.hints->Knows(last->end() - BlockCount(1))) {
    const Place place{last->end() - BlockCount(1), last->run.end() - BlockCount(1)};
    HOLDFAST_ASSIGN(const bool has_room, HasRoom(tx, dir, place, bytes));
    if (has_room) return place;
  }
  return AddBlock(tx, dir);
}

Result<bool> Directories::HasRoom(Transaction& tx, const DirectoryEdit& dir, const Place& place,
                                  uint32_t bytes) const {
  HOLDFAST_ASSIGN(const DirectoryBlock* data, Load(tx, *dir.slot, place.pfn));
  HOLDFAST_ASSIGN(const DirectoryRoom room, RoomIn(*data));
  dir.hints->Learn(place.block, room.largest);
  return room.largest >= bytes;
}

// A block that is believed to have room, or else one that nobody looked at yet.
Result<std::optional<Directories::Place>> Directories::Candidate(Transaction& tx,
                                                                 const DirectoryEdit& dir,
                                                                 uint32_t bytes) const {
  DirectoryHints& hints = *dir.hints;
  if (const auto known = hints.BlockWithRoom(bytes)) {
    HOLDFAST_ASSIGN(const std::optional<Pfn> pfn, PfnOf(tx, *dir.slot, *known));
    if (pfn) return Place{*known, *pfn};
    hints.Forget(*known);
  }
  while (hints.cursor() < EndOf(*dir.slot)) {
    HOLDFAST_ASSIGN(const std::optional<Extent> extent,
                    extents_.Next(tx, *dir.slot, hints.cursor()));
    if (!extent) break;
    const FileBlock block = std::max(hints.cursor(), extent->file_block);
    hints.set_cursor(block + BlockCount(1));
    if (!hints.Knows(block)) return Place{block, extent->run.start + (block - extent->file_block)};
  }
  return std::nullopt;
}

// The lowest hole within reach, else the end.
Result<FileBlock> Directories::FreeFileBlock(Transaction& tx, const DirectoryEdit& dir) const {
  const FileBlock end = EndOf(*dir.slot);
  FileBlock at = std::min(dir.hints->hole_cursor(), end);
  for (int passed = 0; passed < kExtentsToPass && at < end; ++passed) {
    HOLDFAST_ASSIGN(const std::optional<Extent> extent, extents_.Next(tx, *dir.slot, at));
    if (!extent || extent->file_block > at) break;
    at = extent->end();
    dir.hints->set_hole_cursor(at);
  }
  for (const FileBlock block : {at, end}) {
    HOLDFAST_ASSIGN(const std::optional<Pfn> taken, PfnOf(tx, *dir.slot, block));
    if (!taken) return block;
  }
  return Fail(EUCLEAN, absl::StrFormat("directory %d has blocks past its size; run fsck.holdfast",
                                       dir.slot->header.owner));
}

Result<Directories::Place> Directories::AddBlock(Transaction& tx, const DirectoryEdit& dir) const {
  InodeSlot* slot = dir.slot;
  HOLDFAST_ASSIGN(const FileBlock block, FreeFileBlock(tx, dir));
  if (block.value() >= kMaxDirectoryBlocks) return Fail(EFBIG);
  HOLDFAST_ASSIGN(const std::optional<Extent> before, extents_.Before(tx, *slot, block));
  const Pfn goal =
      before ? before->run.start + before->run.length : Pfn(slot->header.self >> kBlockShift);
  HOLDFAST_ASSIGN(const BlockRun run,
                  allocator_.Allocate(tx, BlockCount(1), goal, AllocFor::kMetadata));
  InitDirectoryBlock(
      tx.CreateBlock<DirectoryBlock>(run.start, ObjectType::kDirectory, slot->header.owner));
  // Read before the new block joins, so that the index gets the old entries only.
  if (slot->blocks == 1) HOLDFAST_TRY(BuildIndex(tx, slot));
  HOLDFAST_TRY(extents_.Insert(tx, slot, {block, run}, AllocFor::kMetadata));
  slot->size = std::max(slot->size, ByteOffset(block + BlockCount(1)));
  return Place{block, run.start};
}

Result<void> Directories::BuildIndex(Transaction& tx, InodeSlot* slot) const {
  HOLDFAST_ASSIGN(const Place first, PlaceOf(tx, *slot, 0));
  HOLDFAST_ASSIGN(const DirectoryBlock* data, Load(tx, *slot, first.pfn));
  const DirectoryIndex index(allocator_, *slot);
  Result<void> built;
  HOLDFAST_TRY(ForEachRecord(*data, [&](const DirectoryRecord& record) {
    if (!record.free()) {
      built = index.Insert(tx, slot, HashName(record.name, hash_seed_),
                           PositionOf(first.block, record.offset), record.target.ino);
    }
    return built.has_value();
  }));
  return built;
}

Result<void> Directories::PunchBlock(Transaction& tx, const DirectoryEdit& dir,
                                     const Place& place) const {
  InodeSlot* slot = dir.slot;
  const FileBlock next = place.block + BlockCount(1);
  std::vector<Extent> removed;
  HOLDFAST_TRY(extents_.Remove(tx, slot, place.block, next, 1, &removed));
  tx.Discard(place.pfn);
  HOLDFAST_TRY(ReleaseExtents(tx, extents_.tools(), removed, nullptr));
  if (next == EndOf(*slot)) {
    HOLDFAST_ASSIGN(const std::optional<Extent> last, extents_.Before(tx, *slot, place.block));
    slot->size = last ? ByteOffset(last->end()) : 0;
  }
  if (slot->blocks == 1 && DirectoryIndex::Exists(*slot)) {
    HOLDFAST_TRY(DirectoryIndex(allocator_, *slot).Drop(tx, slot));
  }
  tx.OnCommit([hints = dir.hints, block = place.block] { hints->Forget(block); });
  return {};
}

}  // namespace holdfast::fsmeta
