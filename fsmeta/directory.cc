// SPDX-License-Identifier: Apache-2.0
// Reading directories, and changes that need no new block.
#include "fsmeta/directory.h"

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {
namespace {

std::unexpected<Error> Unsound(const InodeSlot& slot, EntryPosition position,
                               std::string_view what) {
  return Fail(EUCLEAN, absl::StrFormat("directory %d: position %d %s; run fsck.holdfast",
                                       slot.header.owner, position, what));
}

}  // namespace

Result<std::optional<Pfn>> Directories::PfnOf(MetaReader& reader, const InodeSlot& slot,
                                              FileBlock block) const {
  HOLDFAST_ASSIGN(const std::optional<Extent> extent, extents_.Find(reader, slot, block));
  if (!extent) return std::nullopt;
  return extent->run.start + (block - extent->file_block);
}

Result<const DirectoryBlock*> Directories::Load(MetaReader& reader, const InodeSlot& slot,
                                                Pfn pfn) const {
  return reader.Block<DirectoryBlock>(pfn, ObjectType::kDirectory, slot.header.owner);
}

Result<Directories::Place> Directories::PlaceOf(MetaReader& reader, const InodeSlot& slot,
                                                EntryPosition position) const {
  const FileBlock block = BlockOf(position);
  HOLDFAST_ASSIGN(const std::optional<Pfn> pfn, PfnOf(reader, slot, block));
  if (!pfn) return Unsound(slot, position, "is in a hole");
  return Place{block, *pfn};
}

Result<std::optional<PlacedEntry>> Directories::Find(MetaReader& reader, const InodeSlot& slot,
                                                     const HashedName& name) const {
  if (DirectoryIndex::Exists(slot)) return FindByIndex(reader, slot, name);
  return FindInBlock(reader, slot, FileBlock(0), name);
}

Result<std::optional<PlacedEntry>> Directories::FindInBlock(MetaReader& reader,
                                                            const InodeSlot& slot, FileBlock block,
                                                            const HashedName& name) const {
  HOLDFAST_ASSIGN(const std::optional<Pfn> pfn, PfnOf(reader, slot, block));
  if (!pfn) return std::nullopt;  // a directory that never had an entry has no block
  HOLDFAST_ASSIGN(const DirectoryBlock* data, Load(reader, slot, *pfn));
  HOLDFAST_ASSIGN(const std::optional<DirectoryRecord> record, FindName(*data, name));
  if (!record) return std::nullopt;
  return PlacedEntry{PositionOf(block, record->offset), record->target};
}

Result<std::optional<PlacedEntry>> Directories::FindByIndex(MetaReader& reader,
                                                            const InodeSlot& slot,
                                                            const HashedName& name) const {
  std::optional<PlacedEntry> found;
  const DirectoryIndex index(allocator_, slot);
  HOLDFAST_TRY(index.ForEach(reader, slot, name.hash, [&](EntryPosition position) -> Result<bool> {
    HOLDFAST_ASSIGN(const Place place, PlaceOf(reader, slot, position));
    HOLDFAST_ASSIGN(const DirectoryBlock* data, Load(reader, slot, place.pfn));
    HOLDFAST_ASSIGN(const DirectoryRecord record, RecordAt(*data, OffsetIn(position)));
    if (record.free() || record.hash != static_cast<uint32_t>(name.hash)) {
      return Unsound(slot, position, "is in the index, but is not the entry it names");
    }
    if (record.name == name.name) found = PlacedEntry{position, record.target};
    return !found.has_value();
  }));
  return found;
}

Result<std::optional<EntryPosition>> Directories::ListBlock(
    MetaReader& reader, const InodeSlot& slot, EntryPosition from,
    const std::function<void(EntryPosition, const DirectoryRecord&)>& fn) const {
  HOLDFAST_ASSIGN(const std::optional<Extent> extent, extents_.Next(reader, slot, BlockOf(from)));
  if (!extent) return std::nullopt;
  const FileBlock block = std::max(BlockOf(from), extent->file_block);
  HOLDFAST_ASSIGN(const DirectoryBlock* data,
                  Load(reader, slot, extent->run.start + (block - extent->file_block)));
  HOLDFAST_TRY(ForEachRecord(*data, [&](const DirectoryRecord& record) {
    const EntryPosition position = PositionOf(block, record.offset);
    if (!record.free() && position >= from) fn(position, record);
    return true;
  }));
  return PositionOf(block + BlockCount(1), 0);
}

Result<void> Directories::Retarget(Transaction& tx, const DirectoryEdit& dir,
                                   const HashedName& name, const PlacedEntry& entry,
                                   const EntryTarget& target) const {
  HOLDFAST_ASSIGN(const Place place, PlaceOf(tx, *dir.slot, entry.position));
  HOLDFAST_ASSIGN(
      DirectoryBlock * data,
      tx.EditBlock<DirectoryBlock>(place.pfn, ObjectType::kDirectory, dir.slot->header.owner));
  HOLDFAST_TRY(RetargetEntry(data, OffsetIn(entry.position), target));
  if (!DirectoryIndex::Exists(*dir.slot)) return {};
  return DirectoryIndex(allocator_, *dir.slot)
      .Update(tx, dir.slot, name.hash, entry.position, target.ino);
}

Result<void> Directories::Erase(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                                const PlacedEntry& entry) const {
  HOLDFAST_ASSIGN(const Place place, PlaceOf(tx, *dir.slot, entry.position));
  HOLDFAST_ASSIGN(const DirectoryBlock* data, EraseAt(tx, dir, place, name, entry.position));
  --dir.slot->dir_entries;
  HOLDFAST_ASSIGN(const DirectoryRoom room, RoomIn(*data));
  if (room.empty && place.block.value() != 0) return PunchBlock(tx, dir, place);
  return {};
}

Result<void> Directories::Rename(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                                 const PlacedEntry& entry, const HashedName& new_name) const {
  HOLDFAST_ASSIGN(const Place place, PlaceOf(tx, *dir.slot, entry.position));
  HOLDFAST_ASSIGN(const DirectoryBlock* data, EraseAt(tx, dir, place, name, entry.position));
  HOLDFAST_ASSIGN(const bool stayed, InsertAt(tx, dir, place, new_name, entry.target));
  if (stayed) return {};
  --dir.slot->dir_entries;
  HOLDFAST_TRY(Insert(tx, dir, new_name, entry.target));
  HOLDFAST_ASSIGN(const DirectoryRoom room, RoomIn(*data));
  if (room.empty && place.block.value() != 0) return PunchBlock(tx, dir, place);
  return {};
}

// Frees the record and its index record; the block stays.
Result<DirectoryBlock*> Directories::EraseAt(Transaction& tx, const DirectoryEdit& dir,
                                             const Place& place, const HashedName& name,
                                             EntryPosition position) const {
  HOLDFAST_ASSIGN(
      DirectoryBlock * data,
      tx.EditBlock<DirectoryBlock>(place.pfn, ObjectType::kDirectory, dir.slot->header.owner));
  HOLDFAST_TRY(EraseEntry(data, OffsetIn(position)));
  HOLDFAST_TRY(LearnRoom(tx, dir, place.block, *data));
  if (DirectoryIndex::Exists(*dir.slot)) {
    HOLDFAST_TRY(DirectoryIndex(allocator_, *dir.slot).Erase(tx, dir.slot, name.hash, position));
  }
  return data;
}

// False if the block has no room for it.
Result<bool> Directories::InsertAt(Transaction& tx, const DirectoryEdit& dir, const Place& place,
                                   const HashedName& name, const EntryTarget& target) const {
  HOLDFAST_ASSIGN(
      DirectoryBlock * data,
      tx.EditBlock<DirectoryBlock>(place.pfn, ObjectType::kDirectory, dir.slot->header.owner));
  HOLDFAST_ASSIGN(const std::optional<uint32_t> offset, InsertEntry(data, name, target));
  if (!offset) return false;
  HOLDFAST_TRY(LearnRoom(tx, dir, place.block, *data));
  if (DirectoryIndex::Exists(*dir.slot)) {
    HOLDFAST_TRY(
        DirectoryIndex(allocator_, *dir.slot)
            .Insert(tx, dir.slot, name.hash, PositionOf(place.block, *offset), target.ino));
  }
  return true;
}

// What a committed transaction leaves free in a block.
Result<void> Directories::LearnRoom(Transaction& tx, const DirectoryEdit& dir, FileBlock block,
                                    const DirectoryBlock& edited) const {
  HOLDFAST_ASSIGN(const DirectoryRoom room, RoomIn(edited));
  tx.OnCommit([hints = dir.hints, block, largest = room.largest] { hints->Learn(block, largest); });
  return {};
}

}  // namespace holdfast::fsmeta
