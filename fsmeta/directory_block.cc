// SPDX-License-Identifier: Apache-2.0
// Walking and changing the records of one directory block.
#include "fsmeta/directory_block.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {

using daxcore::Fail;
using daxcore::Ino;
using daxcore::Result;

namespace {

std::unexpected<daxcore::Error> Unsound(const DirectoryBlock& block, uint32_t offset,
                                        std::string_view what) {
  return Fail(EUCLEAN, absl::StrFormat("directory %d: record at byte %d %s; run fsck.holdfast",
                                       block.header.owner, block.header.self + offset, what));
}

DirectoryEntry HeadAt(const DirectoryBlock& block, uint32_t offset) {
  DirectoryEntry head;
  std::memcpy(&head, reinterpret_cast<const std::byte*>(&block) + offset, sizeof(head));
  return head;
}

void PutHead(DirectoryBlock* block, uint32_t offset, const DirectoryEntry& head) {
  std::memcpy(reinterpret_cast<std::byte*>(block) + offset, &head, sizeof(head));
}

void PutFree(DirectoryBlock* block, uint32_t offset, uint32_t length) {
  DirectoryEntry head{};
  head.record_length = static_cast<uint16_t>(length);
  PutHead(block, offset, head);
}

void PutEntry(DirectoryBlock* block, uint32_t offset, uint32_t length, const HashedName& name,
              const EntryTarget& target) {
  DirectoryEntry head{};
  head.ino = target.ino.value();
  head.record_length = static_cast<uint16_t>(length);
  head.name_length = static_cast<uint8_t>(name.name.size());
  head.type = target.type;
  head.hash = static_cast<uint32_t>(name.hash);
  PutHead(block, offset, head);
  std::byte* at = reinterpret_cast<std::byte*>(block) + offset + sizeof(head);
  std::memcpy(at, name.name.data(), name.name.size());
  std::memset(at + name.name.size(), 0,
              RecordBytes(name.name.size()) - sizeof(head) - name.name.size());
}

}  // namespace

Result<DirectoryRecord> RecordAt(const DirectoryBlock& block, uint32_t offset) {
  if (offset % alignof(DirectoryEntry) != 0 || offset < kRecordsBegin ||
      offset > kRecordsEnd - sizeof(DirectoryEntry)) {
    return Unsound(block, offset, "cannot be one");
  }
  const DirectoryEntry head = HeadAt(block, offset);
  if (head.record_length % alignof(DirectoryEntry) != 0 ||
      head.record_length < sizeof(DirectoryEntry) || head.record_length > kRecordsEnd - offset) {
    return Unsound(block, offset, "has an impossible length");
  }
  if (head.ino != 0 &&
      (head.name_length == 0 || RecordBytes(head.name_length) > head.record_length)) {
    return Unsound(block, offset, "has a name that does not fit");
  }
  const size_t name_length = head.ino == 0 ? 0 : head.name_length;
  const char* name = reinterpret_cast<const char*>(&block) + offset + sizeof(head);
  return DirectoryRecord{
      offset, head.record_length, {Ino(head.ino), head.type}, head.hash, {name, name_length}};
}

Result<void> ForEachRecord(const DirectoryBlock& block,
                           const std::function<bool(const DirectoryRecord&)>& fn) {
  for (uint32_t offset = kRecordsBegin; offset < kRecordsEnd;) {
    HOLDFAST_ASSIGN(const DirectoryRecord record, RecordAt(block, offset));
    if (!fn(record)) break;
    offset += record.length;
  }
  return {};
}

Result<std::optional<DirectoryRecord>> FindName(const DirectoryBlock& block,
                                                const HashedName& name) {
  std::optional<DirectoryRecord> found;
  HOLDFAST_TRY(ForEachRecord(block, [&](const DirectoryRecord& record) {
    if (record.hash != static_cast<uint32_t>(name.hash) || record.name != name.name ||
        record.free()) {
      return true;
    }
    found = record;
    return false;
  }));
  return found;
}

Result<DirectoryRoom> RoomIn(const DirectoryBlock& block) {
  DirectoryRoom room;
  HOLDFAST_TRY(ForEachRecord(block, [&](const DirectoryRecord& record) {
    room.empty &= record.free();
    if (record.free()) room.largest = std::max(room.largest, record.length);
    return true;
  }));
  return room;
}

bool FillBlock(DirectoryBlock* block, std::span<const DirectoryRecord> entries) {
  if (!entries.empty() && entries.front().offset != kRecordsBegin &&
      entries.front().offset - kRecordsBegin < sizeof(DirectoryEntry)) {
    FillBlock(block, entries.subspan(1));
    return false;
  }
  uint32_t free_from = kRecordsBegin;
  for (size_t i = 0; i < entries.size(); ++i) {
    const DirectoryRecord& entry = entries[i];
    const uint32_t end = i + 1 < entries.size() ? entries[i + 1].offset : kRecordsEnd;
    if (entry.offset > free_from) PutFree(block, free_from, entry.offset - free_from);
    uint32_t length = RecordBytes(entry.name.size());
    if (end - entry.offset - length < sizeof(DirectoryEntry)) length = end - entry.offset;
    PutEntry(block, entry.offset, length, {entry.name, entry.hash}, entry.target);
    free_from = entry.offset + length;
  }
  if (free_from < kRecordsEnd) PutFree(block, free_from, kRecordsEnd - free_from);
  return true;
}

void InitDirectoryBlock(DirectoryBlock* block) {
  PutFree(block, kRecordsBegin, kRecordsEnd - kRecordsBegin);
}

Result<std::optional<uint32_t>> InsertEntry(DirectoryBlock* block, const HashedName& name,
                                            const EntryTarget& target) {
  const uint32_t needed = RecordBytes(name.name.size());
  std::optional<DirectoryRecord> room;
  HOLDFAST_TRY(ForEachRecord(*block, [&](const DirectoryRecord& record) {
    if (record.free() && record.length >= needed) room = record;
    return !room.has_value();
  }));
  if (!room) return std::nullopt;
  // What is left over must be able to hold a record's head, else it belongs to the entry.
  const uint32_t left = room->length - needed;
  const uint32_t length = left < sizeof(DirectoryEntry) ? room->length : needed;
  if (length < room->length) PutFree(block, room->offset + length, room->length - length);
  PutEntry(block, room->offset, length, name, target);
  return room->offset;
}

Result<void> EraseEntry(DirectoryBlock* block, uint32_t offset) {
  HOLDFAST_ASSIGN(const DirectoryRecord entry, RecordAt(*block, offset));
  uint32_t begin = offset;
  uint32_t end = offset + entry.length;
  bool met = false;
  HOLDFAST_TRY(ForEachRecord(*block, [&](const DirectoryRecord& record) {
    const uint32_t record_end = record.offset + record.length;
    met |= record.offset == offset;
    if (record.free() && record_end == offset) begin = record.offset;
    if (record.free() && record.offset == end) end = record_end;
    return record.offset < end;
  }));
  if (!met || entry.free()) return Unsound(*block, offset, "is not an entry");
  PutFree(block, begin, end - begin);
  return {};
}

Result<void> RetargetEntry(DirectoryBlock* block, uint32_t offset, const EntryTarget& target) {
  HOLDFAST_ASSIGN(const DirectoryRecord entry, RecordAt(*block, offset));
  if (entry.free()) return Unsound(*block, offset, "is not an entry");
  DirectoryEntry head = HeadAt(*block, offset);
  head.ino = target.ino.value();
  head.type = target.type;
  PutHead(block, offset, head);
  return {};
}

}  // namespace holdfast::fsmeta
