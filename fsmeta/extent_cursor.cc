// SPDX-License-Identifier: Apache-2.0
// Seeking and stepping through the extents of an inode.
#include "fsmeta/extent_cursor.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kOverlap[] = "its extents overlap";

TreeKey KeyOf(FileBlock block) { return TreeKey{{block.value()}}; }

std::unexpected<Error> UnsoundSlot(const InodeSlot& slot, const char* why) {
  return Fail(EUCLEAN, absl::StrCat("inode ", slot.header.owner, ": ", why, "; run fsck.holdfast"));
}

}  // namespace

Result<uint32_t> InlineCount(const InodeSlot& slot) {
  switch (static_cast<DataForm>(slot.data_form)) {
    case DataForm::kNone:
    case DataForm::kBytes:
    case DataForm::kTree:
      return 0;
    case DataForm::kExtents:
      if (slot.inline_count <= kInlineExtents) return slot.inline_count;
      return UnsoundSlot(slot, "has more inline extents than there is room for");
  }
  return UnsoundSlot(slot, "its data is in no known form");
}

ExtentRecord InlineRecord(const InodeSlot& slot, uint32_t i) {
  ExtentRecord record;
  std::memcpy(&record, slot.inline_area + size_t{i} * sizeof(record), sizeof(record));
  return record;
}

Result<bool> ExtentCursor::Settle(Result<bool> moved) {
  if (!moved || !*moved) return moved;
  HOLDFAST_ASSIGN(extent_, ToExtent(allocator_, cursor_.record()));
  return true;
}

Result<bool> ExtentCursor::SettleInline(uint32_t index) {
  HOLDFAST_ASSIGN(const uint32_t count, InlineCount(slot_));
  index_ = index;
  if (index >= count) return false;
  HOLDFAST_ASSIGN(extent_, ToExtent(allocator_, InlineRecord(slot_, index)));
  return true;
}

Result<bool> ExtentCursor::SeekAtMost(FileBlock block) {
  if (in_tree()) return Settle(cursor_.SeekAtMost(KeyOf(block)));
  HOLDFAST_ASSIGN(uint32_t n, InlineCount(slot_));
  while (n > 0 && InlineRecord(slot_, n - 1).file_block > block.value()) --n;
  return SettleInline(n - 1);  // before the first is past the last, too
}

Result<bool> ExtentCursor::SeekAtLeast(FileBlock block) {
  if (in_tree()) return Settle(cursor_.SeekAtLeast(KeyOf(block)));
  HOLDFAST_ASSIGN(const uint32_t count, InlineCount(slot_));
  uint32_t n = 0;
  while (n < count && InlineRecord(slot_, n).file_block < block.value()) ++n;
  return SettleInline(n);
}

Result<bool> ExtentCursor::SeekEndingAfter(FileBlock block) {
  HOLDFAST_ASSIGN(const bool found, SeekAtMost(block));
  if (!found) return SeekAtLeast(block);
  if (extent_.end() > block) return true;
  return Next();
}

// Those who walk from extent to extent count on holes that are not negative.
Result<bool> ExtentCursor::Next() {
  const FileBlock end = extent_.end();
  HOLDFAST_ASSIGN(const bool found, in_tree() ? Settle(cursor_.Next()) : SettleInline(index_ + 1));
  if (found && extent_.file_block < end) return UnsoundSlot(slot_, kOverlap);
  return found;
}

Result<bool> ExtentCursor::Previous() {
  const FileBlock begin = extent_.file_block;
  HOLDFAST_ASSIGN(const bool found,
                  in_tree() ? Settle(cursor_.Previous()) : SettleInline(index_ - 1));
  if (found && extent_.end() > begin) return UnsoundSlot(slot_, kOverlap);
  return found;
}

}  // namespace holdfast::fsmeta
