// SPDX-License-Identifier: Apache-2.0
// The entries of a directory: finding, adding, removing and listing them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/directory_hints.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// An entry and where it stands.
struct PlacedEntry {
  EntryPosition position = 0;
  EntryTarget target;
};

/// A directory as one transaction changes it: its slot in the transaction, and its hints.
struct DirectoryEdit {
  InodeSlot* slot;
  DirectoryHints* hints;
};

/// Reads and changes directories. Stateless; thread-safe as a whole. The caller holds the metadata
/// lock of the directory (shared to read, exclusive to change), and has checked that the slot is a
/// directory. `.` and `..` are not entries. Lookups are O(log entries); an insertion looks at a
/// bounded number of blocks. Blocks that do not add up are EUCLEAN.
class Directories {
 public:
  Directories(Medium& medium, Allocator& allocator, ExtentMap& extents)
      : hash_seed_(medium.superblock().hash_seed), allocator_(allocator), extents_(extents) {}

  HashedName Hashed(std::string_view name) const { return {name, HashName(name, hash_seed_)}; }

  Result<std::optional<PlacedEntry>> Find(MetaReader& reader, const InodeSlot& slot,
                                          const HashedName& name) const;
  /// Calls `fn` with each entry of position >= `from` in `from`'s block, and returns the position
  /// to go on from; nothing after the last block.
  Result<std::optional<EntryPosition>> ListBlock(
      MetaReader& reader, const InodeSlot& slot, EntryPosition from,
      const std::function<void(EntryPosition, const DirectoryRecord&)>& fn) const;

  /// Adds an entry of a name that is not there yet. ENOSPC.
  Result<void> Insert(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                      const EntryTarget& target) const;
  /// Removes the entry at `entry`. A block that becomes empty is punched out, all but the first.
  Result<void> Erase(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                     const PlacedEntry& entry) const;
  /// Makes the entry name another inode. Needs no space.
  Result<void> Retarget(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                        const PlacedEntry& entry, const EntryTarget& target) const;
  /// Renames an entry within the directory, in the same block where the new name fits there.
  Result<void> Rename(Transaction& tx, const DirectoryEdit& dir, const HashedName& name,
                      const PlacedEntry& entry, const HashedName& new_name) const;

 private:
  // A block of the directory: its place in the file and on the medium.
  struct Place {
    FileBlock block;
    Pfn pfn;
  };
  Result<std::optional<Pfn>> PfnOf(MetaReader& reader, const InodeSlot& slot,
                                   FileBlock block) const;
  Result<const DirectoryBlock*> Load(MetaReader& reader, const InodeSlot& slot, Pfn pfn) const;
  Result<Place> PlaceOf(MetaReader& reader, const InodeSlot& slot, EntryPosition position) const;
  Result<std::optional<PlacedEntry>> FindInBlock(MetaReader& reader, const InodeSlot& slot,
                                                 FileBlock block, const HashedName& name) const;
  Result<std::optional<PlacedEntry>> FindByIndex(MetaReader& reader, const InodeSlot& slot,
                                                 const HashedName& name) const;

  Result<Place> PlaceWithRoom(Transaction& tx, const DirectoryEdit& dir, uint32_t bytes) const;
  Result<bool> HasRoom(Transaction& tx, const DirectoryEdit& dir, const Place& place,
                       uint32_t bytes) const;
  Result<std::optional<Place>> Candidate(Transaction& tx, const DirectoryEdit& dir,
                                         uint32_t bytes) const;
  Result<Place> AddBlock(Transaction& tx, const DirectoryEdit& dir) const;
  Result<FileBlock> FreeFileBlock(Transaction& tx, const DirectoryEdit& dir) const;
  Result<void> BuildIndex(Transaction& tx, InodeSlot* slot) const;
  Result<void> PunchBlock(Transaction& tx, const DirectoryEdit& dir, const Place& place) const;
  Result<bool> InsertAt(Transaction& tx, const DirectoryEdit& dir, const Place& place,
                        const HashedName& name, const EntryTarget& target) const;
  Result<DirectoryBlock*> EraseAt(Transaction& tx, const DirectoryEdit& dir, const Place& place,
                                  const HashedName& name, EntryPosition position) const;
  Result<void> LearnRoom(Transaction& tx, const DirectoryEdit& dir, FileBlock block,
                         const DirectoryBlock& edited) const;

  const uint64_t hash_seed_;
  Allocator& allocator_;
  ExtentMap& extents_;
};

}  // namespace holdfast::fsmeta
