// SPDX-License-Identifier: Apache-2.0
// A position in a B+tree: the path from the root to one record.
#pragma once

#include <array>

#include "fsmeta/btree.h"
#include "fsmeta/btree_node.h"

namespace holdfast::fsmeta {

/// Seeks and steps through a tree without allocating. Belongs to one thread, which holds the lock
/// of the tree as long as it uses the cursor; a change of the tree other than through the cursor's
/// own path ends its use. Nothing of it outlives the process.
class TreeCursor {
 public:
  TreeCursor(const BTree& tree, MetaReader& reader, const TreeRoot& root)
      : tree_(tree), reader_(reader), root_(root) {}

  /// Moves to the greatest record <= `key` / the smallest >= `key`; false if there is none.
  Result<bool> SeekAtMost(const TreeKey& key);
  Result<bool> SeekAtLeast(const TreeKey& key);
  /// Moves to the record with exactly `key`; false if there is none, and then the path leads to
  /// where it would be inserted.
  Result<bool> SeekExact(const TreeKey& key);
  /// From a record to the one after / before it; false, and no record any more, at the end.
  Result<bool> Next();
  Result<bool> Previous();

  /// The record stood on. Valid after a call that answered true.
  TreeRecord record() const { return steps_[0].view.At(steps_[0].pos); }

  /// One level of the path. `pos` is the child taken, in the leaf the record.
  struct Step {
    NodeView view;
    Pfn node;
    uint32_t pos = 0;
  };
  /// The path, leaf first, for those who change the tree along it.
  Step& step(uint32_t level) { return steps_[level]; }
  uint32_t height() const { return root_.height; }

 private:
  Result<void> Descend(const TreeKey& key);
  Result<void> Enter(uint32_t level, Pfn node);
  Result<bool> StepLeafRight();
  Result<bool> StepLeafLeft();

  const BTree& tree_;
  MetaReader& reader_;
  const TreeRoot root_;
  std::array<Step, kMaxTreeHeight> steps_;
};

}  // namespace holdfast::fsmeta
