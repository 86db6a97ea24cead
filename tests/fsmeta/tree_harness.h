// SPDX-License-Identifier: Apache-2.0
// One B+tree on a region in memory, with transactions and a node space that counts, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fsmeta/btree.h"
#include "fsmeta/btree_node.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/transaction.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {

/// Gives away blocks from a range, and takes back what an aborted transaction took.
class FakeNodeSpace : public NodeSpace {
 public:
  FakeNodeSpace(Pfn first, uint64_t blocks) {
    for (uint64_t i = blocks; i > 0; --i) free_.push_back(first + BlockCount(i - 1));
  }

  Result<Pfn> AllocateNode(Transaction& tx) override {
    if (free_.empty() || used_.size() >= limit_) return Fail(ENOSPC);
    const Pfn node = free_.back();
    free_.pop_back();
    used_.insert(node);
    tx.OnAbort([this, node] { TakeBack(node); });
    return node;
  }

  Result<void> FreeNode(Transaction& tx, Pfn node) override {
    if (!used_.contains(node)) return Fail(EUCLEAN, "freed a node that is not in use");
    if (!going_.insert(node).second) return Fail(EUCLEAN, "freed a node twice");
    tx.Discard(node);
    tx.OnCommit([this, node] { TakeBack(node); });
    tx.OnAbort([this, node] { going_.erase(node); });
    return {};
  }

  const std::set<Pfn>& used() const { return used_; }
  /// From now on there are at most so many nodes.
  void set_limit(size_t limit) { limit_ = limit; }

 private:
  void TakeBack(Pfn node) {
    going_.erase(node);
    used_.erase(node);
    free_.push_back(node);
  }
  std::vector<Pfn> free_;
  std::set<Pfn> used_;
  std::set<Pfn> going_;
  size_t limit_ = ~size_t{0};
};

inline constexpr TreeKind kTreeKinds[] = {TreeKind::kExtents, TreeKind::kRefcount,
                                          TreeKind::kReverseMap, TreeKind::kDirectory};

inline std::string KindName(TreeKind kind) {
  constexpr const char* kNames[] = {"", "Extents", "Refcount", "ReverseMap", "Directory"};
  return kNames[static_cast<uint32_t>(kind)];
}

/// The tree, its committed root, and what it should contain.
class TreeHarness {
 public:
  using Model = std::map<TreeKey, std::array<uint64_t, 2>>;
  static constexpr uint64_t kOwner = 77;

  explicit TreeHarness(TreeKind kind, uint64_t bytes = uint64_t{32} << 20)
      : parts(bytes, {.lane_count = 1, .lane_blocks = 512}),
        tree(kind, kOwner),
        space(parts.first_free(), bytes / kBlockSize - parts.first_free().value() - 8) {}

  /// Runs body(tx, root) in a transaction; the root moves only if it commits. It is kept in a group
  /// header: new nodes are written only if something on the medium may refer to them.
  template <typename F>
  Result<void> Run(F&& body) {
    TreeRoot next = root;
    const auto done = parts.runner().Run([&](Transaction& tx) -> Result<void> {
      next = root;
      HOLDFAST_TRY(body(tx, &next));
      const Pfn header = LayoutOfGroup(parts.superblock(), 0).header;
      HOLDFAST_ASSIGN(GroupHeader * group,
                      tx.EditBlock<GroupHeader>(header, ObjectType::kGroupHeader, 0));
      group->refcounts = next;
      return {};
    });
    if (done) root = next;
    return done;
  }

  Result<void> Insert(const TreeRecord& record) {
    return Run([&](Transaction& tx, TreeRoot* r) { return tree.Insert(tx, r, record, space); });
  }
  Result<void> Erase(const TreeKey& key) {
    return Run([&](Transaction& tx, TreeRoot* r) { return tree.Erase(tx, r, key, space); });
  }
  /// Inserts records with the first key words given, many per transaction.
  void InsertAll(const std::vector<uint64_t>& words) {
    for (size_t at = 0; at < words.size(); at += 500) {
      ASSERT_TRUE(Run([&](Transaction& tx, TreeRoot* r) -> Result<void> {
        for (size_t i = at; i < std::min(at + 500, words.size()); ++i) {
          HOLDFAST_TRY(tree.Insert(tx, r, TreeRecord{Key(words[i]), {words[i] + 1}}, space));
        }
        return {};
      }));
    }
  }

  static TreeKey Key(uint64_t word) { return TreeKey{{word}}; }
  /// A key with small words, as many as the kind has.
  TreeKey RandomKey(std::mt19937_64& random, uint64_t range) const {
    TreeKey key;
    for (uint32_t i = 0; i < ShapeOf(tree.kind()).key_words; ++i) {
      key.words[i] = random() % (i == 0 ? range : 3);
    }
    return key;
  }
  std::array<uint64_t, 2> RandomValue(std::mt19937_64& random) const {
    return {random(), ShapeOf(tree.kind()).value_words == 2 ? random() : 0};
  }

  /// Everything in the tree is in the model, in order, and the other way round.
  void ExpectEquals(const Model& model) {
    auto expected = model.begin();
    const auto done = tree.ForEach(parts.medium(), root, TreeKey{}, [&](const TreeRecord& record) {
      if (expected == model.end() || expected->first != record.key ||
          expected->second != record.value) {
        ADD_FAILURE() << "record of key " << record.key.words[0] << " is wrong";
        return false;
      }
      ++expected;
      return true;
    });
    EXPECT_TRUE(done) << done.error().Text();
    EXPECT_EQ(expected, model.end());
  }

  /// Checks every node, and that exactly the nodes in use are in the tree. Returns how full the
  /// leaves are, 0 to 1.
  double CheckNodes() {
    std::set<Pfn> seen;
    uint64_t leaves = 0;
    uint64_t records = 0;
    const auto done =
        tree.ForEachNode(parts.medium(), root, [&](Pfn at, const TreeNode& node) -> Result<void> {
          const auto fault = FaultIn(node);
          EXPECT_FALSE(fault) << *fault;
          seen.insert(at);
          if (node.node.level == 0) ++leaves, records += node.node.count;
          return {};
        });
    EXPECT_TRUE(done) << done.error().Text();
    EXPECT_EQ(seen, space.used());
    const double room = static_cast<double>(leaves) * NodeCapacity(tree.kind(), 0);
    return leaves == 0 ? 1 : static_cast<double>(records) / room;
  }

  tests::FormattedMedium parts;
  BTree tree;
  FakeNodeSpace space;
  TreeRoot root{};
};

}  // namespace holdfast::fsmeta
