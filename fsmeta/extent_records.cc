// SPDX-License-Identifier: Apache-2.0
// Storing extents, and moving them between a slot and a tree.
#include "fsmeta/extent_records.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/extent_cursor.h"

namespace holdfast::fsmeta {
namespace {

std::unexpected<Error> Contradiction(const InodeSlot& slot, FileBlock at) {
  return Fail(EUCLEAN, absl::StrCat("inode ", slot.header.owner, ": its extents at file block ",
                                    at.value(), " are not what they were; run fsck.holdfast"));
}

// A record that is missing, or there already, contradicts what the caller read a moment ago.
Result<void> MustAgree(Result<void> done, const InodeSlot& slot, FileBlock at) {
  if (done || (done.error().code != ENOENT && done.error().code != EEXIST)) return done;
  return Contradiction(slot, at);
}

}  // namespace

struct ExtentRecords::Inline {
  // Room for one more than the slot has, for the moment before they move to a tree.
  std::array<ExtentRecord, kInlineExtents + 1> extents{};
  uint32_t count = 0;

  std::span<ExtentRecord> all() { return {extents.data(), count}; }
  std::span<const ExtentRecord> all() const { return {extents.data(), count}; }
  uint32_t AtLeast(FileBlock block) const {
    uint32_t i = 0;
    while (i < count && extents[i].file_block < block.value()) ++i;
    return i;
  }
  void Add(uint32_t at, const ExtentRecord& record) {
    std::move_backward(extents.begin() + at, extents.begin() + count, extents.begin() + count + 1);
    extents[at] = record;
    ++count;
  }
  void Remove(uint32_t at) {
    std::move(extents.begin() + at + 1, extents.begin() + count, extents.begin() + at);
    --count;
  }
};

Result<ExtentRecords::Inline> ExtentRecords::LoadInline() const {
  if (slot_->data_form == static_cast<uint8_t>(DataForm::kBytes)) {
    return Fail(EUCLEAN, absl::StrCat("inode ", slot_->header.owner,
                                      " holds bytes where extents belong; run fsck.holdfast"));
  }
  HOLDFAST_ASSIGN(const uint32_t count, InlineCount(*slot_));
  Inline records;
  for (uint32_t i = 0; i < count; ++i) records.Add(i, InlineRecord(*slot_, i));
  return records;
}

Result<uint32_t> ExtentRecords::IndexOf(const Inline& records, const Extent& extent) const {
  const uint32_t at = records.AtLeast(extent.file_block);
  if (at == records.count || records.extents[at].file_block != extent.file_block.value()) {
    return Contradiction(*slot_, extent.file_block);
  }
  return at;
}

void ExtentRecords::StoreInline(const Inline& records) {
  const size_t bytes = records.count * sizeof(ExtentRecord);
  slot_->data_form =
      static_cast<uint8_t>(records.count == 0 ? DataForm::kNone : DataForm::kExtents);
  slot_->inline_count = static_cast<uint8_t>(records.count);
  std::memcpy(slot_->inline_area, records.extents.data(), bytes);
  std::memset(slot_->inline_area + bytes, 0, sizeof(slot_->inline_area) - bytes);
}

Result<void> ExtentRecords::MoveToTree(const Inline& records, NodeSpace& space) {
  StoreInline({});
  slot_->data_form = static_cast<uint8_t>(DataForm::kTree);
  slot_->extents = {0, 0, static_cast<uint32_t>(TreeKind::kExtents)};
  for (const ExtentRecord& record : records.all()) {
    HOLDFAST_ASSIGN(const Extent extent, ToExtent(allocator_, record));
    HOLDFAST_TRY(MustAgree(tree().Insert(tx_, &slot_->extents, ToTreeRecord(extent), space), *slot_,
                           extent.file_block));
  }
  return {};
}

Result<void> ExtentRecords::MoveBackIfFew(NodeSpace& space) {
  if (slot_->extents.height > 1) return {};
  Inline records;
  if (slot_->extents.height == 1) {
    HOLDFAST_ASSIGN(const TreeNode* leaf, tree().LoadNode(tx_, Pfn(slot_->extents.node), 0));
    const NodeView view(leaf, TreeKind::kExtents, 0);
    if (view.count() > kBackToInline) return {};
    for (uint32_t i = 0; i < view.count(); ++i) {
      HOLDFAST_ASSIGN(const Extent extent, ToExtent(allocator_, view.At(i)));
      records.Add(i, ToInline(extent));
    }
    HOLDFAST_TRY(tree().FreeAll(tx_, &slot_->extents, space));
  }
  slot_->extents = {};
  StoreInline(records);
  return {};
}

Result<void> ExtentRecords::Insert(const Extent& extent) {
  AllocatorNodeSpace space = SpaceNear(extent);
  if (!in_tree()) {
    HOLDFAST_ASSIGN(Inline records, LoadInline());
    records.Add(records.AtLeast(extent.file_block), ToInline(extent));
    if (records.count > kInlineExtents) return MoveToTree(records, space);
    StoreInline(records);
    return {};
  }
  return MustAgree(tree().Insert(tx_, &slot_->extents, ToTreeRecord(extent), space), *slot_,
                   extent.file_block);
}

Result<void> ExtentRecords::Erase(const Extent& was) {
  if (in_tree()) {
    AllocatorNodeSpace space = SpaceNear(was);
    const TreeKey key = ToTreeRecord(was).key;
    HOLDFAST_TRY(MustAgree(tree().Erase(tx_, &slot_->extents, key, space), *slot_, was.file_block));
    return MoveBackIfFew(space);
  }
  HOLDFAST_ASSIGN(Inline records, LoadInline());
  HOLDFAST_ASSIGN(const uint32_t at, IndexOf(records, was));
  records.Remove(at);
  StoreInline(records);
  return {};
}

Result<void> ExtentRecords::Replace(const Extent& was, const Extent& now) {
  if (in_tree()) {
    AllocatorNodeSpace space = SpaceNear(now);
    const TreeRecord record = ToTreeRecord(now);
    return MustAgree(tree().Replace(tx_, &slot_->extents, ToTreeRecord(was).key, record, space),
                     *slot_, was.file_block);
  }
  HOLDFAST_ASSIGN(Inline records, LoadInline());
  HOLDFAST_ASSIGN(const uint32_t at, IndexOf(records, was));
  records.extents[at] = ToInline(now);
  StoreInline(records);
  return {};
}

Result<void> ExtentRecords::Shift(FileBlock from, int64_t delta) {
  if (in_tree()) return tree().ShiftKeys(tx_, slot_->extents, from.value(), delta);
  HOLDFAST_ASSIGN(Inline records, LoadInline());
  for (ExtentRecord& record : records.all().subspan(records.AtLeast(from))) {
    record.file_block += static_cast<uint64_t>(delta);
  }
  StoreInline(records);
  return {};
}

}  // namespace holdfast::fsmeta
