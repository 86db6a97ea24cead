// SPDX-License-Identifier: Apache-2.0
// Erasing from a B+tree: nodes that run low are merged, a root with one child goes.
#include <algorithm>

#include "fsmeta/btree_change.h"

namespace holdfast::fsmeta {
namespace {

class Erasure : private TreeChange {
 public:
  using TreeChange::TreeChange;

  Result<void> Run(const TreeKey& key) {
    HOLDFAST_ASSIGN(const bool found, path().SeekExact(key));
    if (!found) return Fail(ENOENT);
    HOLDFAST_ASSIGN(NodeEditor leaf, Edit(0));
    leaf.Remove(step(0).pos);
    return Settle();
  }

  Result<void> FreeSubtree(Pfn node, uint32_t level) {
    HOLDFAST_ASSIGN(const NodeView view, LoadChild(level, node));
    for (uint32_t i = 0; level > 0 && i < view.count(); ++i) {
      HOLDFAST_TRY(FreeSubtree(view.Child(i), level - 1));
    }
    return Free(node);
  }

 private:
  // Goes up as long as the level below took a child away from this one.
  Result<void> Settle() {
    const uint32_t top = path().height() - 1;
    for (uint32_t level = 0; level < top; ++level) {
      HOLDFAST_ASSIGN(const bool gone, step(level).view.count() == 0 ? Drop(level) : Merge(level));
      if (!gone) return {};
    }
    if (step(top).view.count() == 0) {
      HOLDFAST_TRY(Free(step(top).node));
      *root_ = {0, 0, root_->kind};
      return {};
    }
    return Lower();
  }

  Result<bool> Drop(uint32_t level) {
    HOLDFAST_ASSIGN(NodeEditor parent, Edit(level + 1));
    parent.Remove(step(level + 1).pos);
    HOLDFAST_TRY(Free(step(level).node));
    return true;
  }

  // Merges a node that is less than half full with a neighbour under the same parent, if together
  // they fill three quarters of a node or less: neither the next insert splits it nor the next
  // erase merges it again. Two neighbours thus hold more than that, or half of a node each.
  Result<bool> Merge(uint32_t level) {
    const uint32_t count = step(level).view.count();
    const uint32_t capacity = step(level).view.capacity();
    if (count >= capacity / 2) return false;
    const TreeCursor::Step& parent = step(level + 1);
    const uint32_t last = parent.view.count() - 1;
    for (const uint32_t other : {parent.pos - 1, parent.pos + 1}) {
      if (other > last) continue;  // also the one left of 0
      HOLDFAST_ASSIGN(const NodeView view, LoadChild(level, parent.view.Child(other)));
      if (view.count() + count > capacity / 4 * 3) continue;
      HOLDFAST_TRY(Join(level, std::min(other, parent.pos)));
      return true;
    }
    return false;
  }

  // Moves the records of the smaller of the children `left` and `left` + 1 into the other.
  Result<void> Join(uint32_t level, uint32_t left) {
    HOLDFAST_ASSIGN(NodeEditor parent, Edit(level + 1));
    const Pfn left_node = parent.Child(left);
    const Pfn right_node = parent.Child(left + 1);
    HOLDFAST_ASSIGN(const NodeView left_view, LoadChild(level, left_node));
    HOLDFAST_ASSIGN(const NodeView right_view, LoadChild(level, right_node));
    if (left_view.LastKey() >= right_view.FirstKey()) return UnsoundNode(right_node, kOverlapping);
    if (right_view.count() <= left_view.count()) {
      HOLDFAST_ASSIGN(NodeEditor target, EditNode(left_node, level));
      target.Append(right_view, 0, right_view.count());
      parent.Remove(left + 1);
      return Free(right_node);
    }
    HOLDFAST_ASSIGN(NodeEditor target, EditNode(right_node, level));
    target.Prepend(left_view, 0, left_view.count());
    parent.SetKey(left + 1, parent.Key(left));
    parent.Remove(left);
    return Free(left_node);
  }

  Result<void> Lower() {
    while (root_->height > 1) {
      const uint32_t level = root_->height - 1;
      HOLDFAST_ASSIGN(const NodeView top, LoadChild(level, Pfn(root_->node)));
      if (top.count() > 1) return {};
      const Pfn old = Pfn(root_->node);
      root_->node = top.Child(0).value();
      --root_->height;
      HOLDFAST_TRY(Free(old));
    }
    return {};
  }
};

}  // namespace

Result<void> BTree::Erase(Transaction& tx, TreeRoot* root, const TreeKey& key,
                          NodeSpace& space) const {
  return Erasure(tx, *this, root, space).Run(key);
}

Result<void> BTree::FreeAll(Transaction& tx, TreeRoot* root, NodeSpace& space) const {
  HOLDFAST_TRY(CheckRoot(*root));
  if (root->height == 0) return {};
  HOLDFAST_TRY(Erasure(tx, *this, root, space).FreeSubtree(Pfn(root->node), root->height - 1));
  *root = {0, 0, root->kind};
  return {};
}

}  // namespace holdfast::fsmeta
