// SPDX-License-Identifier: Apache-2.0
// Judging directory entries.
#include "fsmeta/repair_entries.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/repair_extents.h"

namespace holdfast::fsmeta {
namespace {

bool IsPossibleName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

class Reader {
 public:
  Reader(RepairState& state, uint64_t directory) : state_(state), directory_(directory) {}

  FoundBlock Read(FileBlock file_block, Pfn at) {
    FoundBlock found;
    found.file_block = file_block;
    found.at = at;
    const auto loaded = state_.image.Block<DirectoryBlock>(at, ObjectType::kDirectory, directory_);
    if (!loaded || !ReadSound(**loaded, &found)) {
      found.unsound = found.changed = true;
      found.dropped = 0;
      found.entries.clear();
      Salvage(*reinterpret_cast<const DirectoryBlock*>(state_.image.BlockAt(at.value())), &found);
    }
    DropTwins(&found);
    return found;
  }

 private:
  uint32_t HashOf(std::string_view name) const {
    return static_cast<uint32_t>(HashName(name, state_.superblock().hash_seed));
  }
  bool Exists(const DirectoryRecord& record) {
    const uint64_t ino = record.target.ino.value();
    return ino >= kInoFirstFree && state_.inodes.Exists(ino);
  }
  uint8_t TypeOf(const DirectoryRecord& record) {
    return static_cast<uint8_t>(IFTODT(state_.inodes[record.target.ino.value()].mode));
  }

  // False if its records do not add up.
  bool ReadSound(const DirectoryBlock& block, FoundBlock* found) {
    bool last_was_free = false;
    const auto walked = ForEachRecord(block, [&](const DirectoryRecord& record) {
      if (record.free()) {
        found->changed |= last_was_free;
      } else {
        TakeSound(record, found);
      }
      last_was_free = record.free();
      return true;
    });
    return walked.has_value();
  }

  void TakeSound(DirectoryRecord record, FoundBlock* found) {
    if (!IsPossibleName(record.name) || !Exists(record)) {
      found->changed = true;
      ++found->dropped;
      return;
    }
    const uint32_t hash = HashOf(record.name);
    found->changed |= record.hash != hash || record.target.type != TypeOf(record);
    record.hash = hash;
    record.target.type = TypeOf(record);
    found->entries.push_back(record);
  }

  // Wherever a record proves itself, it is one; the walk goes on behind it.
  void Salvage(const DirectoryBlock& block, FoundBlock* found) {
    for (uint32_t offset = kRecordsBegin; offset + sizeof(DirectoryEntry) <= kRecordsEnd;) {
      const auto record = RecordAt(block, offset);
      if (record && !record->free() && IsPossibleName(record->name) && Exists(*record) &&
          record->hash == HashOf(record->name) && record->target.type == TypeOf(*record)) {
        found->entries.push_back(*record);
        offset += RecordBytes(record->name.size());
      } else {
        offset += alignof(DirectoryEntry);
      }
    }
    // A gap of 8 bytes at the begin cannot be said.
    if (!found->entries.empty() && found->entries.front().offset == kRecordsBegin + 8) {
      found->entries.erase(found->entries.begin());
      ++found->dropped;
    }
  }

  void DropTwins(FoundBlock* found) {
    const auto twins = std::erase_if(found->entries, [&](const DirectoryRecord& record) {
      return !names_.insert(record.name).second;
    });
    found->dropped += twins;
    found->changed |= twins != 0;
  }

  RepairState& state_;
  const uint64_t directory_;
  absl::flat_hash_set<std::string_view> names_;
};

}  // namespace

std::vector<FoundBlock> FindEntries(RepairState& state, const InodeSlot& slot) {
  std::vector<FoundBlock> blocks;
  Reader reader(state, slot.header.owner);
  for (const ExtentRecord& extent : FindExtents(state, slot).extents) {
    for (uint32_t i = 0; i < extent.length; ++i) {
      blocks.push_back(reader.Read(FileBlock(extent.file_block + i), Pfn(extent.block + i)));
    }
  }
  return blocks;
}

}  // namespace holdfast::fsmeta
