// SPDX-License-Identifier: Apache-2.0
// What inserting into and erasing from a B+tree have in common: nodes edited along a path.
#pragma once

#include <utility>

#include "fsmeta/btree.h"
#include "fsmeta/btree_cursor.h"
#include "fsmeta/btree_node.h"

namespace holdfast::fsmeta {

/// One change of one tree inside a transaction. Lives as long as that change; one thread.
class TreeChange {
 public:
  TreeChange(Transaction& tx, const BTree& tree, TreeRoot* root, NodeSpace& space)
      : tx_(tx), tree_(tree), root_(root), space_(space), path_(tree, tx, *root) {}

 protected:
  struct NewNode {
    Pfn node;
    NodeEditor editor;
  };

  /// The node of the path at `level`, to change; the path sees the changes.
  Result<NodeEditor> Edit(uint32_t level);
  Result<NodeEditor> EditNode(Pfn node, uint32_t level);
  Result<NewNode> Create(uint32_t level);
  Result<void> Free(Pfn node) { return space_.FreeNode(tx_, node); }
  /// A child of the path's node at `level` + 1.
  Result<NodeView> LoadChild(uint32_t level, Pfn node);
  TreeCursor::Step& step(uint32_t level) { return path_.step(level); }
  TreeCursor& path() { return path_; }

  Transaction& tx_;
  const BTree& tree_;
  TreeRoot* const root_;
  NodeSpace& space_;

 private:
  TreeCursor path_;
};

}  // namespace holdfast::fsmeta
