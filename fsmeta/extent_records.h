// SPDX-License-Identifier: Apache-2.0
// Storing the extents of an inode: inline in its slot while they are few, else in a tree.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/extent.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A tree with no more extents than this goes back into the slot; half of what fits there, so that
/// a file at the limit does not change its form with every operation.
inline constexpr uint32_t kBackToInline = kInlineExtents / 2;

/// The extents of one slot inside one transaction, as mere records: what they mean for the reverse
/// map and for `blocks` is ExtentMap's business. Lives inside the transaction, belongs to its
/// thread. After an error the transaction must be aborted. EUCLEAN: slot and tree contradict each
/// other or what the caller read from them.
class ExtentRecords {
 public:
  /// `slot` is the transaction's copy. New nodes come for `purpose`.
  ExtentRecords(Transaction& tx, Allocator& allocator, InodeSlot* slot, AllocFor purpose)
      : tx_(tx), allocator_(allocator), slot_(slot), purpose_(purpose) {}

  Result<void> Insert(const Extent& extent);
  /// Removes the extent that begins at `was.file_block`.
  Result<void> Erase(const Extent& was);
  /// Puts `now` where `was` is. Their order among the other extents is the same.
  Result<void> Replace(const Extent& was, const Extent& now);
  /// Adds `delta` to the file block of every extent at or after `from`.
  Result<void> Shift(FileBlock from, int64_t delta);

 private:
  struct Inline;
  bool in_tree() const { return slot_->data_form == static_cast<uint8_t>(DataForm::kTree); }
  BTree tree() const { return {TreeKind::kExtents, slot_->header.owner}; }
  AllocatorNodeSpace SpaceNear(const Extent& extent) const {
    return {allocator_, extent.run.start, purpose_};
  }
  Result<Inline> LoadInline() const;
  Result<uint32_t> IndexOf(const Inline& records, const Extent& extent) const;
  void StoreInline(const Inline& records);
  Result<void> MoveToTree(const Inline& records, NodeSpace& space);
  Result<void> MoveBackIfFew(NodeSpace& space);

  Transaction& tx_;
  Allocator& allocator_;
  InodeSlot* const slot_;
  const AllocFor purpose_;
};

}  // namespace holdfast::fsmeta
