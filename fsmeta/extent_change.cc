// SPDX-License-Identifier: Apache-2.0
// Mapping, unmapping, splitting, merging and shifting extents.
#include "fsmeta/extent_change.h"

#include "absl/strings/str_cat.h"
#include "fsmeta/extent_cursor.h"

namespace holdfast::fsmeta {
namespace {

// The extents on both sides of a place in the file.
struct Neighbours {
  std::optional<Extent> left;   // begins before it
  std::optional<Extent> right;  // begins at or after it
};

Result<Neighbours> NeighboursOf(MetaReader& reader, const Allocator& allocator,
                                const InodeSlot& slot, FileBlock at) {
  Neighbours found;
  ExtentCursor cursor(reader, allocator, slot);
  bool more = false;
  if (at > FileBlock(0)) {
    HOLDFAST_ASSIGN(more, cursor.SeekAtMost(at - BlockCount(1)));
  }
  if (more) {
    found.left = cursor.extent();
    HOLDFAST_ASSIGN(more, cursor.Next());
  } else {
    HOLDFAST_ASSIGN(more, cursor.SeekAtLeast(at));
  }
  if (more) found.right = cursor.extent();
  return found;
}

Extent Joined(const Extent& left, const Extent& right) {
  return {left.file_block, {left.run.start, left.run.length + right.run.length}, left.flags};
}

}  // namespace

Owner ExtentChange::OwnerOf(const Extent& extent) const {
  return {extent.run, Ino(slot_->header.owner), extent.file_block, extent.flags};
}

Result<void> ExtentChange::Add(const Extent& extent) {
  HOLDFAST_TRY(records_.Insert(extent));
  return tools_.reverse_map.Insert(tx_, OwnerOf(extent), purpose_);
}

Result<void> ExtentChange::Drop(const Extent& extent) {
  HOLDFAST_TRY(records_.Erase(extent));
  return tools_.reverse_map.Erase(tx_, OwnerOf(extent), purpose_);
}

Result<void> ExtentChange::Change(const Extent& was, const Extent& now) {
  HOLDFAST_TRY(records_.Replace(was, now));
  if (was.run.start == now.run.start && was.file_block == now.file_block) {
    return tools_.reverse_map.Update(tx_, OwnerOf(now));
  }
  return tools_.reverse_map.Replace(tx_, OwnerOf(was), OwnerOf(now), purpose_);
}

Result<std::optional<Extent>> ExtentChange::Next(FileBlock block) const {
  ExtentCursor cursor(tx_, tools_.allocator, *slot_);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekEndingAfter(block));
  if (!found) return std::nullopt;
  return cursor.extent();
}

Result<void> ExtentChange::Map(const Extent& extent) {
  const Allocator& allocator = tools_.allocator;
  HOLDFAST_ASSIGN(const Neighbours beside, NeighboursOf(tx_, allocator, *slot_, extent.file_block));
  const auto& [left, right] = beside;
  if ((left && left->end() > extent.file_block) || (right && right->file_block < extent.end())) {
    return Fail(EUCLEAN,
                absl::StrCat("inode ", slot_->header.owner, ": file block ",
                             extent.file_block.value(), " is mapped already; run fsck.holdfast"));
  }
  slot_->blocks += extent.length().value();
  const bool with_left = left && Continues(allocator, *left, extent);
  const Extent joined = with_left ? Joined(*left, extent) : extent;
  const bool with_right = right && Continues(allocator, joined, *right);
  if (with_left && with_right) {
    HOLDFAST_TRY(Drop(*right));
    return Change(*left, Joined(joined, *right));
  }
  if (with_left) return Change(*left, joined);
  if (with_right) return Change(*right, Joined(joined, *right));
  return Add(extent);
}

Result<void> ExtentChange::Unmap(const Extent& whole, const Extent& cut) {
  if (slot_->blocks < cut.length().value()) {
    return Fail(EUCLEAN, absl::StrCat("inode ", slot_->header.owner,
                                      " has more blocks than it counts; run fsck.holdfast"));
  }
  slot_->blocks -= cut.length().value();
  const bool keeps_head = whole.file_block < cut.file_block;
  const bool keeps_tail = cut.end() < whole.end();
  if (!keeps_head && !keeps_tail) return Drop(whole);
  const auto tail = [&] { return whole.Part(cut.end(), whole.end()); };
  if (!keeps_head) return Change(whole, tail());
  HOLDFAST_TRY(Change(whole, whole.Part(whole.file_block, cut.file_block)));
  return keeps_tail ? Add(tail()) : Result<void>{};
}

Result<void> ExtentChange::SplitAt(FileBlock at) {
  HOLDFAST_ASSIGN(const auto found, Next(at));
  if (!found || found->file_block >= at) return {};
  HOLDFAST_TRY(Change(*found, found->Part(found->file_block, at)));
  return Add(found->Part(at, found->end()));
}

Result<void> ExtentChange::MergeAt(FileBlock at) {
  HOLDFAST_ASSIGN(const Neighbours beside, NeighboursOf(tx_, tools_.allocator, *slot_, at));
  const auto& [left, right] = beside;
  if (!left || !right || !Continues(tools_.allocator, *left, *right)) return {};
  HOLDFAST_TRY(Drop(*right));
  return Change(*left, Joined(*left, *right));
}

Result<void> ExtentChange::Shift(FileBlock from, int64_t delta) {
  const auto moved = [&](const Extent& extent) {
    const FileBlock to(extent.file_block.value() + static_cast<uint64_t>(delta));
    return Extent{to, extent.run, extent.flags};
  };
  // In the order in which no record's new key can be that of one still to be moved.
  const bool upwards = delta < 0;
  ExtentCursor cursor(tx_, tools_.allocator, *slot_);
  HOLDFAST_ASSIGN(
      bool more, upwards ? cursor.SeekAtLeast(from) : cursor.SeekAtMost(FileBlock(kMaxFileBlocks)));
  while (more && cursor.extent().file_block >= from) {
    const Extent& extent = cursor.extent();
    HOLDFAST_TRY(
        tools_.reverse_map.Replace(tx_, OwnerOf(extent), OwnerOf(moved(extent)), purpose_));
    HOLDFAST_ASSIGN(more, upwards ? cursor.Next() : cursor.Previous());
  }
  return records_.Shift(from, delta);
}

}  // namespace holdfast::fsmeta
