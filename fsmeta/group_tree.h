// SPDX-License-Identifier: Apache-2.0
// One of the two trees of an allocation group, inside a transaction.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/btree.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A group's tree of refcounts or its reverse map, its group locked by the transaction. Lives
/// inside one transaction, belongs to its thread; at most one per tree at a time, as it keeps the
/// root and stores it into the group header when it moves.
class GroupTree {
 public:
  /// Locks the group of `block` (ERESTART) and reads its root. New nodes come from near `block`.
  static Result<GroupTree> Open(Transaction& tx, Allocator& allocator, TreeKind kind, Pfn block,
                                AllocFor purpose);
  /// The root of a group's tree as `reader` sees it; EUCLEAN if there is no such group.
  static Result<TreeRoot> RootOf(MetaReader& reader, const Allocator& allocator, TreeKind kind,
                                 uint64_t group);

  /// As the functions of BTree.
  Result<void> Insert(const TreeRecord& record);
  Result<void> Update(const TreeRecord& record);
  Result<void> Replace(const TreeKey& old_key, const TreeRecord& record);
  Result<void> Erase(const TreeKey& key);

  const BTree& tree() const { return tree_; }
  const TreeRoot& root() const { return root_; }

 private:
  GroupTree(Transaction& tx, Allocator& allocator, TreeKind kind, uint64_t group,
            const TreeRoot& root, AllocatorNodeSpace space)
      : tx_(tx),
        allocator_(allocator),
        group_(group),
        tree_(kind, group),
        root_(root),
        space_(space) {}
  Result<void> KeepRoot(Result<void> done);

  Transaction& tx_;
  Allocator& allocator_;
  uint64_t group_;
  BTree tree_;
  TreeRoot root_;
  TreeRoot stored_root_ = root_;
  AllocatorNodeSpace space_;
};

}  // namespace holdfast::fsmeta
