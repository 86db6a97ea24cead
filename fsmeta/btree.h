// SPDX-License-Identifier: Apache-2.0
// The one B+tree: fixed-size keys and values, used for extents, refcounts, reverse map,
// directories.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A record, key words first; unused words are 0. Keys compare word by word, as unsigned numbers.
struct TreeKey {
  std::array<uint64_t, 3> words{};
  auto operator<=>(const TreeKey&) const = default;
};
struct TreeRecord {
  TreeKey key;
  std::array<uint64_t, 2> value{};
};

/// Words of a key and of a value for a kind of tree.
struct TreeShape {
  uint32_t key_words;
  uint32_t value_words;
};
TreeShape ShapeOf(TreeKind kind);
/// Records a node of that kind holds at that level (leaf or interior).
uint32_t NodeCapacity(TreeKind kind, uint32_t level);
inline constexpr uint32_t kMaxTreeHeight = 8;

/// Where a tree's nodes come from and go to (the allocator, bound to a goal block).
class NodeSpace {
 public:
  virtual ~NodeSpace() = default;
  virtual Result<Pfn> AllocateNode(Transaction& tx) = 0;
  virtual Result<void> FreeNode(Transaction& tx, Pfn node) = 0;
};

/// A view of one tree. It keeps no state of its own between calls: the root lives in an object of
/// the owner (inode slot, group header) and is passed by pointer into the transaction's copy. The
/// caller holds the lock that covers the tree. Every node read is checked (kind, level, count,
/// slots a permutation, key order where it is used, owner); anything off is EUCLEAN. Height is
/// bounded by kMaxTreeHeight, so a cyclic tree cannot hang a reader.
class BTree {
 public:
  BTree(TreeKind kind, uint64_t owner) : kind_(kind), owner_(owner) {}

  /// The record with exactly `key` / the greatest <= `key` / the smallest >= `key`.
  Result<std::optional<TreeRecord>> Find(MetaReader& reader, const TreeRoot& root,
                                         const TreeKey& key) const;
  Result<std::optional<TreeRecord>> AtMost(MetaReader& reader, const TreeRoot& root,
                                           const TreeKey& key) const;
  Result<std::optional<TreeRecord>> AtLeast(MetaReader& reader, const TreeRoot& root,
                                            const TreeKey& key) const;
  /// Calls `fn` with each record of key >= `from` in order until it returns false.
  Result<void> ForEach(MetaReader& reader, const TreeRoot& root, const TreeKey& from,
                       const std::function<bool(const TreeRecord&)>& fn) const;

  /// EEXIST if the key is there. Node splits take blocks from `space` (ENOSPC passes through, and
  /// then the transaction must be aborted).
  Result<void> Insert(Transaction& tx, TreeRoot* root, const TreeRecord& record,
                      NodeSpace& space) const;
  /// Replaces the value of an existing key. ENOENT if it is not there.
  Result<void> Update(Transaction& tx, TreeRoot* root, const TreeRecord& record) const;
  /// ENOENT if it is not there. Nodes that run empty or low are merged and freed.
  Result<void> Erase(Transaction& tx, TreeRoot* root, const TreeKey& key, NodeSpace& space) const;
  /// Frees every node (not what the records point to); leaves *root empty. For trees whose nodes
  /// exceed a transaction use `Erase` in chunks first.
  Result<void> FreeAll(Transaction& tx, TreeRoot* root, NodeSpace& space) const;

  /// Calls `fn(block, level, record count)` for every node, top down (fsck, dump).
  Result<void> ForEachNode(MetaReader& reader, const TreeRoot& root,
                           const std::function<Result<void>(Pfn, const TreeNode&)>& fn) const;

  TreeKind kind() const { return kind_; }
  uint64_t owner() const { return owner_; }

 private:
  TreeKind kind_;
  uint64_t owner_;
};

}  // namespace holdfast::fsmeta
