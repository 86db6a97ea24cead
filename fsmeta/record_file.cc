// SPDX-License-Identifier: Apache-2.0
// Free entries of the filesystem's own files, and adding blocks to them.
#include "fsmeta/record_file.h"

#include <cassert>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {
namespace {

// Growing for the sake of less waiting is for filesystems that have space to spare.
constexpr BlockCount kPlenty{256};

std::unexpected<Error> Unsound(Ino ino, const char* why) {
  return Fail(EUCLEAN, absl::StrCat("system file ", ino.value(), ": ", why, "; run fsck.holdfast"));
}

}  // namespace

RecordFile::RecordFile(Medium& medium, InodeTable& inodes, const ExtentMap& extents,
                       const RecordFileKind& kind)
    : medium_(medium), inodes_(inodes), extents_(extents), kind_(kind) {
  assert(kind.per_block <= kMostRecordsPerBlock);
}

ObjectId RecordFile::IdOf(Pfn place) const {
  return {kind_.type, ByteOffset(place), kMetadataBlock, kind_.ino.value()};
}

Result<uint64_t> RecordFile::CheckedBlocks(const InodeSlot& slot) const {
  const uint64_t blocks = slot.size / kMetadataBlock;
  if (slot.size % kMetadataBlock != 0 || BlockCount(blocks) > medium_.blocks()) {
    return Unsound(kind_.ino, "its size is not possible");
  }
  return blocks;
}

Result<std::vector<Pfn>> RecordFile::FindBlocks() {
  HOLDFAST_ASSIGN(const InodeSlot* slot, inodes_.Read(medium_, kind_.ino));
  HOLDFAST_ASSIGN(const uint64_t count, CheckedBlocks(*slot));
  std::vector<Pfn> places;
  HOLDFAST_TRY(
      extents_.ForEach(medium_, *slot, FileBlock(0), FileBlock(count), [&](const Extent& extent) {
        if (extent.file_block != FileBlock(places.size())) return false;
        for (uint64_t i = 0; i < extent.length().value() && places.size() < count; ++i) {
          places.push_back(extent.run.start + BlockCount(i));
        }
        return true;
      }));
  if (places.size() != count) return Unsound(kind_.ino, "it has a hole");
  return places;
}

Result<void> RecordFile::Load(Visit visit) {
  HOLDFAST_ASSIGN(const std::vector<Pfn> places, FindBlocks());
  {
    absl::MutexLock lock(&mutex_);
    assert(blocks_.empty());
    for (const Pfn place : places) blocks_.push_back({place, {}, kind_.per_block, nullptr});
  }
  for (uint64_t i = 0; i < places.size(); ++i) {
    HOLDFAST_ASSIGN(const void* block, medium_.Load(IdOf(places[i])));
    HOLDFAST_TRY(visit(i * kind_.per_block, block));
  }
  return {};
}

void RecordFile::MarkUsed(uint64_t entry) {
  absl::MutexLock lock(&mutex_);
  Block& block = blocks_[entry / kind_.per_block];
  assert(!block.used[entry % kind_.per_block]);
  block.used[entry % kind_.per_block] = true;
  --block.free;
}

void RecordFile::SetFree(uint64_t entry) {
  absl::MutexLock lock(&mutex_);
  Block& block = blocks_[entry / kind_.per_block];
  assert(block.used[entry % kind_.per_block]);
  block.used[entry % kind_.per_block] = false;
  ++block.free;
}

// A free entry of that block, or else of the next one that has any; kNone if none has.
uint64_t RecordFile::TakeFree(const Transaction& tx, uint64_t block) {
  absl::MutexLock lock(&mutex_);
  for (uint64_t i = 0; i < blocks_.size(); ++i) {
    const uint64_t number = (block + i) % blocks_.size();
    Block& candidate = blocks_[number];
    if (candidate.free == 0 || (candidate.adding != nullptr && candidate.adding != &tx)) continue;
    uint32_t bit = 0;
    while (candidate.used[bit]) ++bit;
    candidate.used[bit] = true;
    --candidate.free;
    return number * kind_.per_block + bit;
  }
  return kNone;
}

uint64_t RecordFile::blocks() const {
  absl::MutexLock lock(&mutex_);
  return blocks_.size();
}

bool RecordFile::WorthGrowing(uint64_t block) {
  if (block < blocks()) return false;
  const auto space = extents_.tools().allocator.Totals();
  return space && space->available >= kPlenty;
}

Result<RecordFile::Entry> RecordFile::Take(Transaction& tx, uint64_t block) {
  if (WorthGrowing(block)) HOLDFAST_TRY(Grow(tx));
  uint64_t entry = TakeFree(tx, block);
  if (entry == kNone) {
    HOLDFAST_TRY(Grow(tx));
    entry = TakeFree(tx, block);
    assert(entry != kNone);
  }
  tx.OnAbort([this, entry] { SetFree(entry); });
  HOLDFAST_ASSIGN(void* copy, Edit(tx, entry));
  return Entry{entry, copy};
}

Result<void*> RecordFile::Edit(Transaction& tx, uint64_t entry) {
  const uint64_t number = entry / kind_.per_block;
  if (number >= blocks()) return Unsound(kind_.ino, "an entry past its end is referred to");
  const bool one_lock = kind_.block_lock == kind_.file_lock;
  HOLDFAST_TRY(tx.Lock({kind_.block_lock, one_lock ? 0 : number}));
  Pfn place;
  {
    absl::MutexLock lock(&mutex_);
    place = blocks_[number].place;
  }
  return tx.Edit(IdOf(place));
}

void RecordFile::Drop(Transaction& tx, uint64_t entry) {
  tx.OnCommit([this, entry] { SetFree(entry); });
}

Result<void> RecordFile::Grow(Transaction& tx) {
  HOLDFAST_TRY(tx.Lock({kind_.file_lock}));
  HOLDFAST_ASSIGN(InodeSlot * slot, inodes_.Edit(tx, kind_.ino));
  HOLDFAST_ASSIGN(const uint64_t count, CheckedBlocks(*slot));
  if (count != blocks()) return Unsound(kind_.ino, "its size changed while it was mounted");
  Pfn goal(0);
  if (count > 0) {
    absl::MutexLock lock(&mutex_);
    goal = blocks_.back().place + BlockCount(1);
  }
  HOLDFAST_ASSIGN(const BlockRun run,
                  extents_.tools().allocator.Allocate(tx, BlockCount(1), goal, AllocFor::kRemoval));
  HOLDFAST_TRY(extents_.Insert(tx, slot, {FileBlock(count), run, 0}, AllocFor::kRemoval));
  slot->size += kMetadataBlock;
  tx.Create(IdOf(run.start));
  AddBlock(tx, run.start);
  return {};
}

void RecordFile::AddBlock(Transaction& tx, Pfn place) {
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mutex_);
    number = blocks_.size();
    blocks_.push_back({place, {}, kind_.per_block, &tx});
  }
  tx.OnAbort([this] {
    absl::MutexLock lock(&mutex_);
    blocks_.pop_back();
  });
  tx.OnCommit([this, number] {
    absl::MutexLock lock(&mutex_);
    blocks_[number].adding = nullptr;
  });
}

}  // namespace holdfast::fsmeta
