// SPDX-License-Identifier: Apache-2.0
// The one B+tree: fixed-size keys and values, used for extents, refcounts, reverse map,
// directories.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
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
  bool operator==(const TreeRecord&) const = default;
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

/// What one change of a tree costs at most: cache lines of existing nodes that differ afterwards
/// (what Transaction::FitsLane counts; new nodes are not journaled), by the tree's height before
/// it. The owner's lines (two, when the root moves) and those of NodeSpace come on top.
struct TreeCosts {
  /// Header, count, four lines of slots, a record over two lines; and, in the same interior node,
  /// the key of another child over two lines.
  static constexpr uint64_t kLinesPerNode = 10;
  static constexpr uint64_t kNodeLines = kMetadataBlock / kLine;

  static constexpr uint64_t UpdateLines() { return 4; }
  /// One node a level, and once a right neighbour that takes the record instead of a split.
  static constexpr uint64_t InsertLines(uint32_t height) { return (height + 1) * kLinesPerNode; }
  /// Below the root each level may be merged once, which can touch a whole node.
  static constexpr uint64_t EraseLines(uint32_t height) {
    return height == 0 ? 0 : (height - 1) * kNodeLines + kLinesPerNode;
  }
  /// Nodes taken from / given to NodeSpace: each level may lose one by a merge, and one more when
  /// the root goes down past it.
  static constexpr uint64_t InsertNodes(uint32_t height) { return height + 1; }
  static constexpr uint64_t EraseNodes(uint32_t height) {
    return height <= 1 ? height : 2 * uint64_t{height - 1};
  }

  static constexpr uint64_t kMaxInsertLines = (kMaxTreeHeight + 1) * kLinesPerNode;
  static constexpr uint64_t kMaxEraseLines = (kMaxTreeHeight - 1) * kNodeLines + kLinesPerNode;
};

/// Where a tree's nodes come from and go to (the allocator, bound to a goal block).
class NodeSpace {
 public:
  virtual ~NodeSpace() = default;
  virtual Result<Pfn> AllocateNode(Transaction& tx) = 0;
  /// Also discards the transaction's edits of it.
  virtual Result<void> FreeNode(Transaction& tx, Pfn node) = 0;
};

/// A view of one tree. It keeps no state of its own between calls: the root lives in an object of
/// the owner (inode slot, group header) and is passed by pointer into the transaction's copy. The
/// caller holds the lock that covers the tree. Every node read is checked (kind, level, count and
/// owner at each visit; slots and key order when it is first loaded); anything off is EUCLEAN.
/// Height is bounded by kMaxTreeHeight, so a cyclic tree cannot hang a reader. Lookups allocate
/// nothing; for neighbours and for walks without a callback see TreeCursor (btree_cursor.h).
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
  /// Calls `fn` with each record of key >= `from` in order until it returns false. The tree must
  /// not change meanwhile.
  Result<void> ForEach(MetaReader& reader, const TreeRoot& root, const TreeKey& from,
                       absl::FunctionRef<bool(const TreeRecord&)> fn) const;

  /// EEXIST if the key is there. Node splits take blocks from `space`. After this or any other
  /// error of a change the transaction must be aborted.
  Result<void> Insert(Transaction& tx, TreeRoot* root, const TreeRecord& record,
                      NodeSpace& space) const;
  /// Replaces the value of an existing key. ENOENT if it is not there.
  Result<void> Update(Transaction& tx, TreeRoot* root, const TreeRecord& record) const;
  /// Puts `record`, whose key may differ, in the place of `old_key`; in place where the order of
  /// keys allows it, else as Erase and Insert. ENOENT, EEXIST.
  Result<void> Replace(Transaction& tx, TreeRoot* root, const TreeKey& old_key,
                       const TreeRecord& record, NodeSpace& space) const;
  /// ENOENT if it is not there. Nodes that run empty or low are merged and freed.
  Result<void> Erase(Transaction& tx, TreeRoot* root, const TreeKey& key, NodeSpace& space) const;
  /// Adds `delta` to the first key word of every record of key >= `from`, in place, node by node.
  /// Keys must be single words. No record may lie where others move to ([from + delta, from) when
  /// `delta` is negative), and nothing may overflow: the caller has made sure.
  Result<void> ShiftKeys(Transaction& tx, const TreeRoot& root, uint64_t from, int64_t delta) const;
  /// Frees every node (not what the records point to); leaves *root empty. For trees whose nodes
  /// exceed a transaction use `Erase` in chunks first.
  Result<void> FreeAll(Transaction& tx, TreeRoot* root, NodeSpace& space) const;

  /// Calls `fn` for every node, top down (fsck, dump), after checking that its keys lie between
  /// its neighbours'; so no node is visited twice, whatever the medium holds. Stops at the first
  /// error, its own or the callback's.
  Result<void> ForEachNode(MetaReader& reader, const TreeRoot& root,
                           absl::FunctionRef<Result<void>(Pfn, const TreeNode&)> fn) const;

  TreeKind kind() const { return kind_; }
  uint64_t owner() const { return owner_; }

  /// EUCLEAN unless `root` is empty or a root of this kind with a height that can be.
  Result<void> CheckRoot(const TreeRoot& root) const;
  /// A node that the tree refers to, checked for its place in it.
  Result<const TreeNode*> LoadNode(MetaReader& reader, Pfn node, uint32_t level) const;

 private:
  Result<void> Overwrite(Transaction& tx, class TreeCursor& at, const TreeRecord& record) const;

  TreeKind kind_;
  uint64_t owner_;
};

}  // namespace holdfast::fsmeta
