// SPDX-License-Identifier: Apache-2.0
// Size, times, privileges and partial blocks of a file that is being changed.
#include "fsmeta/file_edit.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "fsmeta/lazy_times.h"
#include "fsmeta/privileges.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {

Result<FileEdit> FileEdit::Begin(Volume& volume, Transaction& tx, LiveInode& inode,
                                 BrokenLayout* broken) {
  HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, inode.ino));
  if (broken != nullptr) broken->leaving.clear();
  return FileEdit(volume, tx, inode, broken, slot);
}

Result<void> FileEdit::StampModified(bool kill_suid_sgid) {
  HOLDFAST_TRY(DropPrivileges(volume_, tx_, slot_, kill_suid_sgid));
  const timespec now = Now();
  StampTimes(tx_, inode_, slot_, {.atime = {}, .mtime = now, .ctime = now});
  return {};
}

Result<std::optional<FileTail>> FileEdit::WrittenTail() {
  const uint64_t in_block = slot_->size % kBlockSize;
  if (in_block == 0) return std::nullopt;
  const FileBlock block = FileBlockOf(slot_->size);
  HOLDFAST_ASSIGN(const std::optional<Extent> last, extents().Find(tx_, *slot_, block));
  if (!last || last->unwritten()) return std::nullopt;
  const Pfn pfn = last->run.start + (block - last->file_block);
  HOLDFAST_ASSIGN(const std::vector<FileRange> others,
                  Untouchable({block, {pfn, BlockCount(1)}, 0}));
  return FileTail{block, ByteOffset(pfn) + in_block, kBlockSize - in_block, others.empty()};
}

Result<void> FileEdit::GrowTo(uint64_t size) {
  if (size <= slot_->size) return {};
  HOLDFAST_ASSIGN(const std::optional<FileTail> tail, WrittenTail());
  slot_->size = size;
  if (!tail) return {};
  HOLDFAST_ASSIGN(const bool clean, store().IsZero(tail->offset, tail->length));
  if (clean) return {};
  if (tail->ours) return store().Zero(tail->offset, tail->length);
  return ReplacePart(tail->block, kBlockSize - tail->length, kBlockSize);
}

Result<void> FileEdit::BeginTruncation() {
  slot_->flags |= kInodeTruncating;
  if (Seeded(SeededBug::kTruncationNotListed)) return {};
  return volume_.orphans().Add(tx_, inode_.ino, slot_);
}

Result<void> FileEdit::EndTruncation() {
  slot_->flags &= ~kInodeTruncating;
  // An inode without a name stays listed until it is gone.
  return slot_->nlink == 0 ? Result<void>() : volume_.orphans().Remove(tx_, inode_.ino, slot_);
}

Result<void> FileEdit::ZeroPart(uint64_t from, uint64_t to) {
  if (from >= to) return {};
  const FileBlock block = FileBlockOf(from);
  assert(FileBlockOf(to - 1) == block);
  HOLDFAST_ASSIGN(const std::optional<Extent> extent, extents().Find(tx_, *slot_, block));
  if (!extent || extent->unwritten()) return {};
  const Pfn pfn = extent->run.start + (block - extent->file_block);
  const uint64_t begin = from % kBlockSize;
  const uint64_t length = to - from;
  HOLDFAST_ASSIGN(const bool clean, store().IsZero(ByteOffset(pfn) + begin, length));
  if (clean) return {};
  HOLDFAST_ASSIGN(const std::vector<FileRange> others,
                  Untouchable({block, {pfn, BlockCount(1)}, 0}));
  if (!others.empty()) return ReplacePart(block, begin, begin + length);
  if (Seeded(SeededBug::kZeroedInPlace)) return store().Zero(ByteOffset(pfn) + begin, length);
  HOLDFAST_ASSIGN(std::byte * bytes, tx_.EditData(pfn));
  std::memset(bytes + begin, 0, length);
  return {};
}

Result<void> FileEdit::ZeroEdges(ByteSpan span) {
  const uint64_t first_whole = AlignUp(span.offset, kBlockSize);
  if (span.offset != first_whole) {
    HOLDFAST_TRY(ZeroPart(span.offset, std::min(span.end, first_whole)));
  }
  const uint64_t last_partial = AlignDown(span.end, kBlockSize);
  if (last_partial < first_whole) return {};
  return ZeroPart(last_partial, span.end);
}

// A new block with the old one's contents, but zeroes in bytes [zero_from, zero_to) of it.
Result<void> FileEdit::ReplacePart(FileBlock block, uint64_t zero_from, uint64_t zero_to) {
  const FileRange range{block, block + BlockCount(1)};
  HOLDFAST_ASSIGN(const std::vector<Extent> old, Mapped(range));
  HOLDFAST_ASSIGN(const std::vector<PlacedRun> placed, Replace(range));
  const uint64_t to = ByteOffset(placed.front().run.start);
  const uint64_t from = ByteOffset(old.front().run.start);
  HOLDFAST_TRY(store().CopyWithin(to, from, zero_from));
  HOLDFAST_TRY(store().Zero(to + zero_from, zero_to - zero_from));
  return store().CopyWithin(to + zero_to, from + zero_to, kBlockSize - zero_to);
}

}  // namespace holdfast::fsmeta
