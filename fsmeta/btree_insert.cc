// SPDX-License-Identifier: Apache-2.0
// Inserting into a B+tree: where nodes split, and how they stay full when keys come in order.
#include "absl/strings/str_cat.h"
#include "fsmeta/btree_change.h"

namespace holdfast::fsmeta {
namespace {

// How a full node is cut when a record must go to position `pos` of it.
struct Cut {
  uint32_t stay;         // records that stay in the old, left node
  bool new_record_left;  // which side the new record joins
};

// Half and half, unless the inserts look like a run of ascending or descending keys: then the cut
// is where they come in, so that they fill the emptier side while the other stays as full as it is.
// An interior node keeps two children at least, so that each has a neighbour under its parent.
Cut CutFor(const NodeView& full, uint32_t level, uint32_t pos) {
  const uint32_t count = full.count();
  if (pos == count) return {level == 0 ? count : count - 1, false};
  const bool near_begin = pos <= count / 10;
  const bool near_end = pos >= count - count / 10;
  if (pos > 0 && full.IsNewest(pos - 1)) return {pos, !near_end};
  if (near_begin || near_end || full.IsNewest(pos)) return {pos, near_begin};
  return {count / 2, pos <= count / 2};
}

// The least key greater than `key`, of as many words.
TreeKey Successor(TreeKey key, uint32_t words) {
  while (words > 0 && ++key.words[words - 1] == 0) --words;
  return key;
}

class Insertion : private TreeChange {
 public:
  using TreeChange::TreeChange;

  Result<void> Run(const TreeRecord& record) {
    HOLDFAST_ASSIGN(const bool exists, path().SeekExact(record.key));
    if (exists) return Fail(EEXIST);
    if (path().height() == 0) return Plant(record);
    HOLDFAST_TRY(LowerKeys(record.key));
    return Put(record);
  }

 private:
  Result<void> Plant(const TreeRecord& record) {
    HOLDFAST_ASSIGN(NewNode leaf, Create(0));
    leaf.editor.Insert(0, record);
    *root_ = {leaf.node.value(), 1, static_cast<uint32_t>(tree_.kind())};
    return {};
  }

  // A key below all keys of an interior node goes to its first child, whose key must then come
  // down: to the least that may ever come this way, so that it happens once.
  Result<void> LowerKeys(const TreeKey& key) {
    TreeKey least;
    for (uint32_t level = path().height() - 1; level > 0; --level) {
      if (key < step(level).view.FirstKey()) {
        HOLDFAST_ASSIGN(NodeEditor editor, Edit(level));
        editor.SetKey(0, least);
      }
      least = step(level).view.Key(step(level).pos);
    }
    return {};
  }

  Result<void> Put(TreeRecord record) {
    for (uint32_t level = 0; level < path().height(); ++level) {
      const uint32_t pos = step(level).pos + (level == 0 ? 0 : 1);
      if (!step(level).view.is_full()) {
        HOLDFAST_ASSIGN(NodeEditor editor, Edit(level));
        editor.Insert(pos, record);
        return {};
      }
      if (pos == step(level).view.count()) {
        HOLDFAST_ASSIGN(const bool taken, GiveToRight(level, record));
        if (taken) return {};
      }
      HOLDFAST_ASSIGN(record, Split(level, pos, record));
    }
    return Grow(record);
  }

  // Without this, keys that come in descending order behind a full node would each split it anew.
  Result<bool> GiveToRight(uint32_t level, const TreeRecord& record) {
    if (level + 1 == path().height()) return false;
    const TreeCursor::Step& parent = step(level + 1);
    const uint32_t at = parent.pos + 1;
    if (at >= parent.view.count()) return false;
    const Pfn right = parent.view.Child(at);
    HOLDFAST_ASSIGN(const NodeView view, LoadChild(level, right));
    if (view.is_full()) return false;
    if (record.key >= view.FirstKey()) return UnsoundNode(right, kOverlapping);
    HOLDFAST_ASSIGN(NodeEditor editor, EditNode(right, level));
    editor.Insert(0, record);
    HOLDFAST_ASSIGN(NodeEditor above, Edit(level + 1));
    above.SetKey(at, record.key);
    return true;
  }

  // Splits the full node at `level`, puts `record` in, and returns the record for its parent.
  Result<TreeRecord> Split(uint32_t level, uint32_t pos, const TreeRecord& record) {
    HOLDFAST_ASSIGN(NewNode right, Create(level));
    const uint32_t count = step(level).view.count();
    const Cut cut = CutFor(step(level).view, level, pos);
    right.editor.Append(step(level).view, cut.stay, count);
    if (cut.stay < count) {
      HOLDFAST_ASSIGN(NodeEditor left, Edit(level));
      left.Truncate(cut.stay);
      if (cut.new_record_left) left.Insert(pos, record);
    }
    if (!cut.new_record_left) right.editor.Insert(pos - cut.stay, record);
    const Pfn node = right.node;
    const bool run_downwards = level == 0 && !cut.new_record_left && pos == cut.stay && pos < count;
    if (!run_downwards) return TreeRecord{right.editor.FirstKey(), {node.value()}};
    // A run that goes down goes on in the right leaf: all that may come between belongs there.
    const uint32_t words = ShapeOf(tree_.kind()).key_words;
    return TreeRecord{Successor(step(level).view.LastKey(), words), {node.value()}};
  }

  Result<void> Grow(const TreeRecord& right) {
    if (root_->height == kMaxTreeHeight) {
      return Fail(ENOSPC, absl::StrCat("tree of owner ", tree_.owner(), " cannot grow any higher"));
    }
    HOLDFAST_ASSIGN(NewNode top, Create(root_->height));
    top.editor.Insert(0, TreeRecord{{}, {root_->node}});
    top.editor.Insert(1, right);
    root_->node = top.node.value();
    ++root_->height;
    return {};
  }
};

}  // namespace

Result<void> BTree::Insert(Transaction& tx, TreeRoot* root, const TreeRecord& record,
                           NodeSpace& space) const {
  return Insertion(tx, *this, root, space).Run(record);
}

}  // namespace holdfast::fsmeta
