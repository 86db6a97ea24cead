// SPDX-License-Identifier: Apache-2.0
// The hash index of a directory that has more than one block: name hash -> position of the entry.
#pragma once

#include <cstdint>
#include <functional>

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/btree.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Position of an entry in its directory: file block << 12 | offset in the block. Never changes
/// while the entry exists; doubles as the readdir cookie.
using EntryPosition = uint64_t;
constexpr EntryPosition PositionOf(FileBlock block, uint32_t offset) {
  return ByteOffset(block) + offset;
}
constexpr FileBlock BlockOf(EntryPosition position) { return FileBlockOf(position); }
constexpr uint32_t OffsetIn(EntryPosition position) {
  return static_cast<uint32_t>(position % kBlockSize);
}

/// xxh3 of a name with the filesystem's seed (Superblock::hash_seed).
uint64_t HashName(std::string_view name, uint64_t seed);

/// The kDirectory tree of one directory, rooted in its slot. Stateless; the caller holds the
/// directory's metadata lock (exclusive to change). Errors: EUCLEAN when index and entries
/// disagree.
class DirectoryIndex {
 public:
  DirectoryIndex(Allocator& allocator, const InodeSlot& slot)
      : allocator_(allocator),
        tree_(TreeKind::kDirectory, slot.header.owner),
        goal_(Pfn(slot.header.self >> kBlockShift)) {}

  static bool Exists(const InodeSlot& slot) { return slot.dir_index.node != 0; }

  /// Calls `fn` with the position of each entry of that hash until it returns false or fails.
  Result<void> ForEach(MetaReader& reader, const InodeSlot& slot, uint64_t hash,
                       const std::function<Result<bool>(EntryPosition)>& fn) const;
  Result<void> Insert(Transaction& tx, InodeSlot* slot, uint64_t hash, EntryPosition position,
                      Ino ino) const;
  Result<void> Update(Transaction& tx, InodeSlot* slot, uint64_t hash, EntryPosition position,
                      Ino ino) const;
  Result<void> Erase(Transaction& tx, InodeSlot* slot, uint64_t hash, EntryPosition position) const;
  /// Frees the whole tree.
  Result<void> Drop(Transaction& tx, InodeSlot* slot) const;

 private:
  Allocator& allocator_;
  BTree tree_;
  Pfn goal_;
};

}  // namespace holdfast::fsmeta
