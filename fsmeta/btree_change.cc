// SPDX-License-Identifier: Apache-2.0
// Editing, making and freeing nodes for a change of a B+tree.
#include "fsmeta/btree_change.h"

namespace holdfast::fsmeta {

Result<NodeEditor> TreeChange::EditNode(Pfn node, uint32_t level) {
  HOLDFAST_ASSIGN(TreeNode * copy,
                  tx_.EditBlock<TreeNode>(node, ObjectType::kTreeNode, tree_.owner()));
  return NodeEditor(copy, tree_.kind(), level);
}

Result<NodeEditor> TreeChange::Edit(uint32_t level) {
  HOLDFAST_ASSIGN(NodeEditor editor, EditNode(step(level).node, level));
  step(level).view = editor;
  return editor;
}

Result<TreeChange::NewNode> TreeChange::Create(uint32_t level) {
  HOLDFAST_ASSIGN(const Pfn node, space_.AllocateNode(tx_));
  TreeNode* copy = tx_.CreateBlock<TreeNode>(node, ObjectType::kTreeNode, tree_.owner());
  return NewNode{node, NodeEditor::Format(copy, tree_.kind(), level)};
}

Result<NodeView> TreeChange::LoadChild(uint32_t level, Pfn node) {
  HOLDFAST_ASSIGN(const TreeNode* found, tree_.LoadNode(tx_, node, level));
  return NodeView(found, tree_.kind(), level);
}

}  // namespace holdfast::fsmeta
