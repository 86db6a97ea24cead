// SPDX-License-Identifier: Apache-2.0
// One directory block: a sequence of records, each an entry or free space, that fills it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

inline constexpr uint32_t kRecordsBegin = offsetof(DirectoryBlock, entries);
inline constexpr uint32_t kRecordsEnd = sizeof(DirectoryBlock);
inline constexpr size_t kMaxNameBytes = 255;

/// Bytes of the record of an entry with a name of that length.
constexpr uint32_t RecordBytes(size_t name_bytes) {
  return static_cast<uint32_t>(
      daxcore::AlignUp(sizeof(DirectoryEntry) + name_bytes, alignof(DirectoryEntry)));
}
inline constexpr uint32_t kMinRecordBytes = RecordBytes(1);

/// A name with its full hash.
struct HashedName {
  std::string_view name;
  uint64_t hash;
};

/// What an entry says: which inode, of what type.
struct EntryTarget {
  daxcore::Ino ino;
  uint8_t type = 0;  ///< DT_*
};

/// One record of a block. `name` points into the block.
struct DirectoryRecord {
  uint32_t offset;  ///< in the block
  uint32_t length;  ///< to the next record, bytes
  EntryTarget target;
  uint32_t hash;  ///< low half
  std::string_view name;
  bool free() const { return target.ino.value() == 0; }
};

// All functions are bounds-checked: a block whose records do not add up is EUCLEAN. The caller
// holds the directory's metadata lock, shared to read.

/// The record at `offset`.
daxcore::Result<DirectoryRecord> RecordAt(const DirectoryBlock& block, uint32_t offset);
/// Calls `fn` with each record in order, free ones included, until it returns false.
daxcore::Result<void> ForEachRecord(const DirectoryBlock& block,
                                    const std::function<bool(const DirectoryRecord&)>& fn);
/// The entry of that name.
daxcore::Result<std::optional<DirectoryRecord>> FindName(const DirectoryBlock& block,
                                                         const HashedName& name);

struct DirectoryRoom {
  uint32_t largest = 0;  ///< bytes of the largest free record
  bool empty = true;     ///< no entry at all
};
daxcore::Result<DirectoryRoom> RoomIn(const DirectoryBlock& block);

/// Fills a zeroed block with `entries`, which are in order and do not overlap, each at its offset;
/// what is between them is free, or part of the entry before it where it is too short for a record.
/// An entry right behind such a gap at the block's begin is left out: false.
bool FillBlock(DirectoryBlock* block, std::span<const DirectoryRecord> entries);
/// Makes a zeroed block one free record.
void InitDirectoryBlock(DirectoryBlock* block);
/// Puts an entry into the first free record it fits in; its offset, or nothing if there is none.
daxcore::Result<std::optional<uint32_t>> InsertEntry(DirectoryBlock* block, const HashedName& name,
                                                     const EntryTarget& target);
/// Frees the entry at `offset` and joins free neighbours. Other entries stay where they are.
daxcore::Result<void> EraseEntry(DirectoryBlock* block, uint32_t offset);
/// Makes the entry at `offset` name another inode.
daxcore::Result<void> RetargetEntry(DirectoryBlock* block, uint32_t offset,
                                    const EntryTarget& target);

}  // namespace holdfast::fsmeta
