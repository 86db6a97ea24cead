// SPDX-License-Identifier: Apache-2.0
// Collecting edits, and the commit: drain, record, drain, apply, drain, retire, drain.
#include "fsmeta/transaction.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <ranges>

#include "absl/strings/str_format.h"
#include "daxcore/media_failure.h"
#include "fsmeta/allocation_fault.h"
#include "fsmeta/data_store.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {
namespace {

// Calls fn(offset in the object) for every line in which the copy differs from the medium.
template <typename F>
void ForEachChangedLine(const std::byte* copy, const std::byte* original, uint64_t size, F&& fn) {
  for (uint64_t at = 0; at < size; at += kLine) {
    if (std::memcmp(copy + at, original + at, kLine) != 0) fn(at);
  }
}

// Never, but for the seeded bugs that are of this kind.
bool WrittenPastTheJournal(ObjectType type) {
  switch (type) {
    case ObjectType::kInode:
      return Seeded(SeededBug::kInodesNotJournaled);
    case ObjectType::kDirectory:
      return Seeded(SeededBug::kDirectoriesNotJournaled);
    case ObjectType::kBitmap:
      return Seeded(SeededBug::kBitmapsNotJournaled);
    case ObjectType::kGroupHeader:
      return Seeded(SeededBug::kGroupsNotJournaled);
    case ObjectType::kTreeNode:
      return Seeded(SeededBug::kTreesNotJournaled);
    case ObjectType::kInodeCluster:
      return Seeded(SeededBug::kClustersNotJournaled);
    case ObjectType::kOrphans:
      return Seeded(SeededBug::kOrphansNotJournaled);
    case ObjectType::kXattr:
      return Seeded(SeededBug::kXattrsNotJournaled);
    default:
      return false;
  }
}

}  // namespace

Transaction::Transaction(Medium& medium, Journal& journal, ResourceLocks& locks)
    : medium_(medium), journal_(journal), held_(locks) {}

Transaction::~Transaction() {
  if (!finished_) Finish(/*committed=*/false);
}

Result<const void*> Transaction::Load(const ObjectId& id) {
  const auto found = copies_.find(id.offset);
  if (found == copies_.end()) return medium_.Load(id);
  HOLDFAST_ASSIGN(const void* copy, Edit(id));
  return copy;
}

Result<void*> Transaction::Edit(const ObjectId& id) {
  auto found = copies_.find(id.offset);
  if (found != copies_.end()) {
    const ObjectId& known = found->second.id;
    if (known.type != id.type || known.size != id.size ||
        (id.owner != kAnyOwner && id.owner != known.owner)) {
      return Fail(EUCLEAN, absl::StrFormat("the %s at byte %d is also used as a %s; run "
                                           "fsck.holdfast",
                                           NameOf(known.type), id.offset, NameOf(id.type)));
    }
    return found->second.bytes.get();
  }
  HOLDFAST_ASSIGN(const void* original, medium_.Load(id));
  if (AllocationFails(AllocationKind::kMemory)) return Fail(ENOMEM);
  Copy copy{id, std::make_unique_for_overwrite<std::byte[]>(id.size), /*created=*/false};
  std::memcpy(copy.bytes.get(), original, id.size);
  copy.id.owner = static_cast<const ObjectHeader*>(original)->owner;
  return copies_.emplace(id.offset, std::move(copy)).first->second.bytes.get();
}

Result<std::byte*> Transaction::EditData(Pfn pfn) {
  const uint64_t offset = ByteOffset(pfn);
  const auto found = copies_.find(offset);
  if (found != copies_.end() && found->second.is_data) return found->second.bytes.get();
  if (found != copies_.end() || !medium_.Contains(pfn, BlockCount(1))) {
    return Fail(EUCLEAN,
                absl::StrFormat("block %d cannot be file data; run fsck.holdfast", pfn.value()));
  }
  if (AllocationFails(AllocationKind::kMemory)) return Fail(ENOMEM);
  Copy copy{{ObjectType{}, offset, kBlockSize, 0},
            std::make_unique_for_overwrite<std::byte[]>(kBlockSize),
            /*created=*/false,
            /*is_data=*/true};
  if (medium_.failure() != nullptr) {
    HOLDFAST_TRY(medium_.failure()->CopyOut(copy.bytes.get(), offset, kBlockSize));
  } else {
    std::memcpy(copy.bytes.get(), medium_.region().At(offset), kBlockSize);
  }
  return copies_.emplace(offset, std::move(copy)).first->second.bytes.get();
}

void* Transaction::Create(const ObjectId& id) {
  auto bytes = std::make_unique<std::byte[]>(id.size);
  void* created = bytes.get();
  if (copies_.contains(id.offset)) {
    // Who edited the object there may go on doing so until the commit fails.
    misplaced_.push_back(std::move(bytes));
  } else {
    copies_.emplace(id.offset, Copy{id, std::move(bytes), /*created=*/true});
  }
  return created;
}

void Transaction::Discard(Pfn pfn) {
  copies_.erase(ByteOffset(pfn));
  OnCommit([this, pfn] { medium_.ForgetVerified(pfn, BlockCount(1)); });
}

Result<void> Transaction::Lock(ResourceKey key) { return held_.Lock(key); }

uint64_t Transaction::ChangedLines() const {
  uint64_t lines = 0;
  for (const auto& [offset, copy] : copies_) {
    if (copy.created) continue;
    uint64_t changed = 0;
    bool header_too = false;
    ForEachChangedLine(copy.bytes.get(), medium_.region().At(offset), copy.id.size,
                       [&](uint64_t at) {
                         ++changed;
                         header_too |= at == 0;
                       });
    // Sealing changes the header of whatever changed.
    lines += changed + (changed != 0 && !header_too && !copy.is_data ? 1 : 0);
  }
  return lines;
}

bool Transaction::FitsLane(uint64_t more_lines) const {
  const uint64_t room = journal_.lane_lines();
  if (copies_.size() * (kMetadataBlock / kLine) + more_lines <= room) return true;
  return ChangedLines() + more_lines <= room;
}

void Transaction::AddChanges(const Copy& copy, Changes* changes) const {
  ForEachChangedLine(copy.bytes.get(), medium_.region().At(copy.id.offset), copy.id.size,
                     [&](uint64_t at) {
                       changes->lines.push_back((copy.id.offset + at) / kLine);
                       changes->contents.push_back(copy.bytes.get() + at);
                     });
}

Transaction::Changes Transaction::SealAndCollect(uint64_t sequence) {
  std::vector<const Copy*> edited;
  for (auto& [offset, copy] : copies_) {
    if (copy.created ||
        std::memcmp(copy.bytes.get(), medium_.region().At(offset), copy.id.size) == 0) {
      continue;
    }
    if (!copy.is_data) SealObject(copy.bytes.get(), copy.id, medium_.uuid(), sequence);
    edited.push_back(&copy);
  }
  std::ranges::sort(edited, {}, [](const Copy* copy) { return copy->id.offset; });
  Changes changes;
  for (const Copy* copy : edited) {
    if (!WrittenPastTheJournal(copy->id.type)) {
      AddChanges(*copy, &changes);
      continue;
    }
    void* target = medium_.region().Target(copy->id.offset);
    medium_.persist().Store(target, copy->bytes.get(), copy->id.size);
    medium_.persist().PersistRange(target, copy->id.size);
  }
  return changes;
}

Result<void> Transaction::WriteCreated(uint64_t sequence) {
  for (auto& [offset, copy] : copies_) {
    if (!copy.created) continue;
    SealObject(copy.bytes.get(), copy.id, medium_.uuid(), sequence);
    HOLDFAST_TRY(StoreCreated(copy));
    medium_.MarkVerified(offset, copy.id.size);
  }
  return {};
}

// Nothing depends on the block yet: if its memory has failed, it is repaired.
Result<void> Transaction::StoreCreated(const Copy& copy) {
  if (medium_.failure() == nullptr) {
    medium_.persist().CopyNt(medium_.region().Target(copy.id.offset), copy.bytes.get(),
                             copy.id.size);
    return {};
  }
  const iovec piece{copy.bytes.get(), copy.id.size};
  return DataStore(*medium_.failure()).CopyIn(copy.id.offset, {&piece, 1}, 0, copy.id.size);
}

void Transaction::Apply(const JournalRecord& record) {
  for (size_t i = 0; i < record.lines.size();) {
    // Neighbouring lines of one object go in one store.
    size_t n = 1;
    while (i + n < record.lines.size() && record.lines[i + n] == record.lines[i] + n &&
           record.contents[i + n] == record.contents[i] + n * kLine) {
      ++n;
    }
    void* target = medium_.region().Target(record.lines[i] * kLine);
    medium_.persist().Store(target, record.contents[i], n * kLine);
    const uint64_t flushed = n - (Seeded(SeededBug::kLastLineNotFlushed) ? 1 : 0);
    if (!Seeded(SeededBug::kApplyNotFlushed)) medium_.persist().Flush(target, flushed * kLine);
    i += n;
  }
  if (!Seeded(SeededBug::kApplyNotDrained)) medium_.persist().Drain();
}

Result<void> Transaction::CheckCommittable(bool changes_anything) const {
  HOLDFAST_TRY(medium_.CheckRunning());
  HOLDFAST_TRY(medium_.CheckMemory());
  if (!misplaced_.empty()) {
    return Fail(EUCLEAN, "a free block turned out to be in use; run fsck.holdfast");
  }
  if (changes_anything && medium_.read_only()) return Fail(EROFS);
  return {};
}

Result<void> Transaction::Commit() {
  assert(!finished_);
  const uint64_t sequence = medium_.NextSequence();
  const Changes changes = SealAndCollect(sequence);
  auto done = CheckCommittable(!changes.lines.empty());
  if (done && changes.lines.empty()) {
    medium_.persist().Drain();
  } else if (done) {
    done = Write({sequence, changes.lines, changes.contents});
    Finish(committed_);
    return done;
  }
  Finish(done.has_value());
  return done;
}

// Should memory fail under what is applied, the record stays for the next mount, and counts.
Result<void> Transaction::Write(const JournalRecord& record) {
  const bool late = Seeded(SeededBug::kNewBlocksAfterRecord);
  if (!late) HOLDFAST_TRY(WriteCreated(record.sequence));
  HOLDFAST_ASSIGN(const Journal::Ticket ticket, journal_.Begin(record));
  if (late) HOLDFAST_TRY(WriteCreated(record.sequence));
  committed_ = true;
  const bool early = Seeded(SeededBug::kRetiredBeforeApplied);
  if (early) journal_.Retire(ticket);
  Apply(record);
  HOLDFAST_TRY(medium_.CheckMemory());
  if (!early) journal_.Retire(ticket);
  return {};
}

void Transaction::Finish(bool committed) {
  finished_ = true;
  committed_ = committed;
  auto& callbacks = committed ? on_commit_ : on_abort_;
  if (committed) {
    for (auto& callback : callbacks) callback();
  } else {
    for (auto& callback : callbacks | std::views::reverse) callback();
  }
  held_.ReleaseAll();
}

}  // namespace holdfast::fsmeta
