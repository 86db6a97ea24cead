// SPDX-License-Identifier: Apache-2.0
// A position among the extents of an inode, whether they are inline or in a tree.
#pragma once

#include <cstdint>

#include "daxcore/result.h"
#include "fsmeta/btree_cursor.h"
#include "fsmeta/extent.h"

namespace holdfast::fsmeta {

/// Seeks and steps through the extents of an inode slot without allocating. Belongs to one thread,
/// which holds the inode's metadata lock meanwhile; a change of the extents ends its use. Every
/// extent it stands on is sound, and steps never lead to one that overlaps the last. EUCLEAN: the
/// slot or what it refers to is not as it must be.
class ExtentCursor {
 public:
  /// `slot` and `reader` outlive the cursor.
  ExtentCursor(MetaReader& reader, const Allocator& allocator, const InodeSlot& slot)
      : allocator_(allocator),
        slot_(slot),
        tree_(TreeKind::kExtents, slot.header.owner),
        cursor_(tree_, reader, slot.extents) {}
  ExtentCursor(const ExtentCursor&) = delete;
  ExtentCursor& operator=(const ExtentCursor&) = delete;

  /// To the last extent that begins at or before `block` / the first that begins at or after it /
  /// the first that ends after it. False if there is none.
  Result<bool> SeekAtMost(FileBlock block);
  Result<bool> SeekAtLeast(FileBlock block);
  Result<bool> SeekEndingAfter(FileBlock block);
  /// To the following / preceding extent; false, and no extent any more, at the end.
  Result<bool> Next();
  Result<bool> Previous();

  /// The extent stood on. Valid after a call that answered true.
  const Extent& extent() const { return extent_; }

 private:
  Result<bool> Settle(Result<bool> moved);
  Result<bool> SettleInline(uint32_t index);
  bool in_tree() const { return slot_.data_form == static_cast<uint8_t>(DataForm::kTree); }

  const Allocator& allocator_;
  const InodeSlot& slot_;
  const BTree tree_;
  TreeCursor cursor_;
  uint32_t index_ = 0;  // inline: which one; past the last: none
  Extent extent_;
};

/// How many extents lie inline in a slot; none if it has a tree or no extents at all.
Result<uint32_t> InlineCount(const InodeSlot& slot);
/// Inline extent number `i` < kInlineExtents.
ExtentRecord InlineRecord(const InodeSlot& slot, uint32_t i);

}  // namespace holdfast::fsmeta
