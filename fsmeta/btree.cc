// SPDX-License-Identifier: Apache-2.0
// Reading a B+tree, and the changes that leave its shape alone.
#include "fsmeta/btree.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "fsmeta/btree_cursor.h"
#include "fsmeta/btree_node.h"

namespace holdfast::fsmeta {
namespace {

std::optional<TreeRecord> RecordAt(const TreeCursor& cursor, bool found) {
  if (!found) return std::nullopt;
  return cursor.record();
}

// The range of keys that the tree above a node allows in it; no `end` means no limit.
struct KeyRange {
  TreeKey begin;
  std::optional<TreeKey> end;
};

class NodeWalk {
 public:
  using Visit = absl::FunctionRef<Result<void>(Pfn, const TreeNode&)>;
  NodeWalk(const BTree& tree, MetaReader& reader, Visit visit)
      : tree_(tree), reader_(reader), visit_(visit) {}

  Result<void> Run(Pfn node, uint32_t level, const KeyRange& allowed) {
    HOLDFAST_ASSIGN(const TreeNode* found, tree_.LoadNode(reader_, node, level));
    const NodeView view(found, tree_.kind(), level);
    if (view.FirstKey() < allowed.begin || (allowed.end && view.LastKey() >= *allowed.end)) {
      return UnsoundNode(node, kOverlapping);
    }
    HOLDFAST_TRY(visit_(node, *found));
    for (uint32_t i = 0; level > 0 && i < view.count(); ++i) {
      KeyRange range{view.Key(i), allowed.end};
      if (i + 1 < view.count()) range.end = view.Key(i + 1);
      HOLDFAST_TRY(Run(view.Child(i), level - 1, range));
    }
    return {};
  }

 private:
  const BTree& tree_;
  MetaReader& reader_;
  Visit visit_;
};

class KeyShift {
 public:
  KeyShift(Transaction& tx, const BTree& tree, uint64_t from, int64_t delta)
      : tx_(tx), tree_(tree), from_(from), delta_(static_cast<uint64_t>(delta)) {}

  Result<void> Run(Pfn node, uint32_t level) {
    HOLDFAST_ASSIGN(const TreeNode* found, tree_.LoadNode(tx_, node, level));
    const NodeView view(found, tree_.kind(), level);
    uint32_t first = level == 0 ? view.LowerBound(Key(from_)) : view.ChildFor(Key(from_));
    for (uint32_t i = first; level > 0 && i < view.count(); ++i) {
      HOLDFAST_TRY(Run(view.Child(i), level - 1));
    }
    // The child that `from` falls into keeps its key, unless its records move below that.
    if (level > 0 && Moved(view.Key(first)) == view.Key(first)) ++first;
    if (first == view.count()) return {};
    HOLDFAST_ASSIGN(TreeNode * copy,
                    tx_.EditBlock<TreeNode>(node, ObjectType::kTreeNode, tree_.owner()));
    NodeEditor editor(copy, tree_.kind(), level);
    for (uint32_t i = first; i < editor.count(); ++i) editor.SetKey(i, Moved(editor.Key(i)));
    return {};
  }

 private:
  static TreeKey Key(uint64_t word) { return TreeKey{{word}}; }
  // Keys of records and of children; only the latter can be less than `from`.
  TreeKey Moved(const TreeKey& key) const {
    const uint64_t word = key.words[0];
    return Key(word >= from_ ? word + delta_ : std::min(word, from_ + delta_));
  }

  Transaction& tx_;
  const BTree& tree_;
  uint64_t from_;
  uint64_t delta_;  // added modulo 2^64
};

// May the record that `cursor` stands on have this key instead of its own?
bool FitsInPlace(TreeCursor& cursor, const TreeKey& key) {
  const NodeView& leaf = cursor.step(0).view;
  const uint32_t pos = cursor.step(0).pos;
  if (pos > 0) {
    if (key <= leaf.Key(pos - 1)) return false;
  } else if (cursor.height() > 1 && key < cursor.step(1).view.Key(cursor.step(1).pos)) {
    return false;
  }
  if (pos + 1 < leaf.count()) return key < leaf.Key(pos + 1);
  for (uint32_t level = 1; level < cursor.height(); ++level) {
    const TreeCursor::Step& step = cursor.step(level);
    if (step.pos + 1 < step.view.count()) return key < step.view.Key(step.pos + 1);
  }
  return true;
}

}  // namespace

Result<void> BTree::CheckRoot(const TreeRoot& root) const {
  if (root.height == 0 && root.node == 0) return {};
  if (root.height == 0 || root.node == 0 || root.height > kMaxTreeHeight ||
      root.kind != static_cast<uint32_t>(kind_)) [[unlikely]] {
    return Fail(EUCLEAN,
                absl::StrCat("root of a tree of kind ", static_cast<uint32_t>(kind_), " of owner ",
                             owner_, " is unsound: block ", root.node, ", height ", root.height,
                             ", kind ", root.kind, "; run fsck.holdfast"));
  }
  return {};
}

Result<const TreeNode*> BTree::LoadNode(MetaReader& reader, Pfn node, uint32_t level) const {
  HOLDFAST_ASSIGN(const TreeNode* found,
                  reader.Block<TreeNode>(node, ObjectType::kTreeNode, owner_));
  if (!NodeView::Fits(*found, kind_, level)) [[unlikely]] {
    return UnsoundNode(node, "kind, level or count do not fit its place in the tree");
  }
  return found;
}

Result<std::optional<TreeRecord>> BTree::Find(MetaReader& reader, const TreeRoot& root,
                                              const TreeKey& key) const {
  TreeCursor cursor(*this, reader, root);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekExact(key));
  return RecordAt(cursor, found);
}

Result<std::optional<TreeRecord>> BTree::AtMost(MetaReader& reader, const TreeRoot& root,
                                                const TreeKey& key) const {
  TreeCursor cursor(*this, reader, root);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekAtMost(key));
  return RecordAt(cursor, found);
}

Result<std::optional<TreeRecord>> BTree::AtLeast(MetaReader& reader, const TreeRoot& root,
                                                 const TreeKey& key) const {
  TreeCursor cursor(*this, reader, root);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekAtLeast(key));
  return RecordAt(cursor, found);
}

Result<void> BTree::ForEach(MetaReader& reader, const TreeRoot& root, const TreeKey& from,
                            absl::FunctionRef<bool(const TreeRecord&)> fn) const {
  TreeCursor cursor(*this, reader, root);
  HOLDFAST_ASSIGN(bool more, cursor.SeekAtLeast(from));
  while (more && fn(cursor.record())) {
    HOLDFAST_ASSIGN(more, cursor.Next());
  }
  return {};
}

Result<void> BTree::Update(Transaction& tx, TreeRoot* root, const TreeRecord& record) const {
  TreeCursor cursor(*this, tx, *root);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekExact(record.key));
  if (!found) return Fail(ENOENT);
  return Overwrite(tx, cursor, record);
}

Result<void> BTree::Replace(Transaction& tx, TreeRoot* root, const TreeKey& old_key,
                            const TreeRecord& record, NodeSpace& space) const {
  TreeCursor cursor(*this, tx, *root);
  HOLDFAST_ASSIGN(const bool found, cursor.SeekExact(old_key));
  if (!found) return Fail(ENOENT);
  if (FitsInPlace(cursor, record.key)) return Overwrite(tx, cursor, record);
  HOLDFAST_TRY(Erase(tx, root, old_key, space));
  return Insert(tx, root, record, space);
}

Result<void> BTree::Overwrite(Transaction& tx, TreeCursor& at, const TreeRecord& record) const {
  HOLDFAST_ASSIGN(TreeNode * copy,
                  tx.EditBlock<TreeNode>(at.step(0).node, ObjectType::kTreeNode, owner_));
  NodeEditor(copy, kind_, 0).Replace(at.step(0).pos, record);
  return {};
}

Result<void> BTree::ShiftKeys(Transaction& tx, const TreeRoot& root, uint64_t from,
                              int64_t delta) const {
  assert(ShapeOf(kind_).key_words == 1);
  HOLDFAST_TRY(CheckRoot(root));
  if (root.height == 0 || delta == 0) return {};
  return KeyShift(tx, *this, from, delta).Run(Pfn(root.node), root.height - 1);
}

Result<void> BTree::ForEachNode(MetaReader& reader, const TreeRoot& root,
                                absl::FunctionRef<Result<void>(Pfn, const TreeNode&)> fn) const {
  HOLDFAST_TRY(CheckRoot(root));
  if (root.height == 0) return {};
  return NodeWalk(*this, reader, fn).Run(Pfn(root.node), root.height - 1, {});
}

}  // namespace holdfast::fsmeta
