// SPDX-License-Identifier: Apache-2.0
// Building trees level by level, leaves first.
#include "fsmeta/repair_tree.h"

#include <algorithm>
#include <vector>

#include "fsmeta/btree_node.h"

namespace holdfast::fsmeta {
namespace {

// Writes the nodes of one level; returns the records of the level above.
Result<std::vector<TreeRecord>> BuildLevel(RepairState& state, TreeKind kind, uint64_t owner,
                                           uint32_t level, std::span<const TreeRecord> records) {
  std::vector<TreeRecord> parents;
  const size_t capacity = NodeCapacity(kind, level);
  while (!records.empty()) {
    const size_t n = std::min(capacity, records.size());
    HOLDFAST_ASSIGN(const Pfn at, state.space.Allocate());
    TreeNode node{};
    NodeEditor editor = NodeEditor::Format(&node, kind, level);
    for (size_t i = 0; i < n; ++i) editor.Insert(static_cast<uint32_t>(i), records[i]);
    state.PutBlock(at, ObjectType::kTreeNode, owner, node);
    parents.push_back({records.front().key, {at.value(), 0}});
    records = records.subspan(n);
  }
  return parents;
}

}  // namespace

Result<TreeRoot> BuildTree(RepairState& state, TreeKind kind, uint64_t owner,
                           std::span<const TreeRecord> records) {
  TreeRoot root{.node = 0, .height = 0, .kind = static_cast<uint32_t>(kind)};
  if (records.empty()) return root;
  HOLDFAST_ASSIGN(auto nodes, BuildLevel(state, kind, owner, 0, records));
  root.height = 1;
  while (nodes.size() > 1) {
    HOLDFAST_ASSIGN(nodes, BuildLevel(state, kind, owner, root.height, nodes));
    ++root.height;
  }
  root.node = nodes.front().value[0];
  return root;
}

}  // namespace holdfast::fsmeta
