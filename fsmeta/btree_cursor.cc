// SPDX-License-Identifier: Apache-2.0
// Seeking and stepping in a B+tree.
#include "fsmeta/btree_cursor.h"

namespace holdfast::fsmeta {

Result<void> TreeCursor::Enter(uint32_t level, Pfn node) {
  HOLDFAST_ASSIGN(const TreeNode* found, tree_.LoadNode(reader_, node, level));
  steps_[level].view = NodeView(found, tree_.kind(), level);
  steps_[level].node = node;
  return {};
}

// To the leaf where `key` belongs. The tree is not empty.
Result<void> TreeCursor::Descend(const TreeKey& key) {
  Pfn node(root_.node);
  for (uint32_t level = root_.height - 1;; --level) {
    HOLDFAST_TRY(Enter(level, node));
    if (level == 0) return {};
    Step& step = steps_[level];
    step.pos = step.view.ChildFor(key);
    node = step.view.Child(step.pos);
  }
}

Result<bool> TreeCursor::SeekExact(const TreeKey& key) {
  HOLDFAST_TRY(tree_.CheckRoot(root_));
  if (root_.height == 0) return false;
  HOLDFAST_TRY(Descend(key));
  steps_[0].pos = steps_[0].view.LowerBound(key);
  return steps_[0].view.KeyIs(steps_[0].pos, key);
}

Result<bool> TreeCursor::SeekAtMost(const TreeKey& key) {
  HOLDFAST_TRY(tree_.CheckRoot(root_));
  if (root_.height == 0) return false;
  HOLDFAST_TRY(Descend(key));
  const uint32_t n = steps_[0].view.UpperBound(key);
  if (n == 0) return StepLeafLeft();
  steps_[0].pos = n - 1;
  return true;
}

Result<bool> TreeCursor::SeekAtLeast(const TreeKey& key) {
  HOLDFAST_TRY(tree_.CheckRoot(root_));
  if (root_.height == 0) return false;
  HOLDFAST_TRY(Descend(key));
  steps_[0].pos = steps_[0].view.LowerBound(key);
  if (steps_[0].pos < steps_[0].view.count()) return true;
  HOLDFAST_ASSIGN(const bool found, StepLeafRight());
  if (found && steps_[0].view.FirstKey() < key) return UnsoundNode(steps_[0].node, kOverlapping);
  return found;
}

Result<bool> TreeCursor::Next() {
  if (++steps_[0].pos < steps_[0].view.count()) return true;
  return StepLeafRight();
}

Result<bool> TreeCursor::Previous() {
  if (steps_[0].pos == 0) return StepLeafLeft();
  --steps_[0].pos;
  return true;
}

// The keys must go up from leaf to leaf: that no leaf is met twice rests on it.
Result<bool> TreeCursor::StepLeafRight() {
  uint32_t level = 1;
  while (level < root_.height && steps_[level].pos + 1 >= steps_[level].view.count()) ++level;
  if (level >= root_.height) return false;
  const TreeKey before = steps_[0].view.LastKey();
  ++steps_[level].pos;
  for (; level > 0; --level) {
    HOLDFAST_TRY(Enter(level - 1, steps_[level].view.Child(steps_[level].pos)));
    steps_[level - 1].pos = 0;
  }
  if (steps_[0].view.FirstKey() <= before) return UnsoundNode(steps_[0].node, kOverlapping);
  return true;
}

Result<bool> TreeCursor::StepLeafLeft() {
  uint32_t level = 1;
  while (level < root_.height && steps_[level].pos == 0) ++level;
  if (level >= root_.height) return false;
  const TreeKey after = steps_[0].view.FirstKey();
  --steps_[level].pos;
  for (; level > 0; --level) {
    HOLDFAST_TRY(Enter(level - 1, steps_[level].view.Child(steps_[level].pos)));
    steps_[level - 1].pos = steps_[level - 1].view.count() - 1;
  }
  if (steps_[0].view.LastKey() >= after) return UnsoundNode(steps_[0].node, kOverlapping);
  return true;
}

}  // namespace holdfast::fsmeta
