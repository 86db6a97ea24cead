// SPDX-License-Identifier: Apache-2.0
// Tests of single B+tree nodes: slots, few changed lines, and every fault found.
#include "fsmeta/btree_node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "tests/fsmeta/tree_harness.h"

namespace holdfast::fsmeta {
namespace {

TreeRecord MakeRecord(const NodeLayout& layout, uint64_t key, uint64_t value) {
  TreeRecord record{{{key, 0, 0}}, {value}};
  if (layout.key_bytes > 8) record.key.words[1] = key * 7;
  if (layout.key_bytes > 16) record.key.words[2] = ~key;
  if (layout.record_bytes - layout.key_bytes > 8) record.value[1] = value * 3;
  return record;
}

uint64_t ChangedLines(const TreeNode& a, const TreeNode& b) {
  const auto* x = reinterpret_cast<const std::byte*>(&a);
  const auto* y = reinterpret_cast<const std::byte*>(&b);
  uint64_t lines = 0;
  for (size_t at = 0; at < sizeof(TreeNode); at += kLine) {
    lines += std::memcmp(x + at, y + at, kLine) != 0 ? 1 : 0;
  }
  return lines;
}

struct Case {
  TreeKind kind;
  uint32_t level;
};

class BTreeNodeTest : public testing::TestWithParam<Case> {
 protected:
  BTreeNodeTest() : editor_(NodeEditor::Format(&node_, GetParam().kind, GetParam().level)) {}
  TreeRecord Record(uint64_t key, uint64_t value) const {
    return MakeRecord(editor_.layout(), key, value);
  }
  // Every second key, so that there is a place between any two.
  void Fill(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) editor_.Insert(i, Record(2 * i + 2, i));
  }

  TreeNode node_{};
  NodeEditor editor_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, BTreeNodeTest, testing::ValuesIn([] {
                           std::vector<Case> cases;
                           for (const TreeKind kind : kTreeKinds) {
                             cases.push_back({kind, 0});
                             cases.push_back({kind, 1});
                           }
                           return cases;
                         }()),
                         [](const auto& test) {
                           return KindName(test.param.kind) +
                                  (test.param.level == 0 ? "Leaf" : "Interior");
                         });

TEST_P(BTreeNodeTest, LayoutUsesTheNodeAndStaysInIt) {
  const NodeLayout& layout = editor_.layout();
  EXPECT_GE(layout.records_at, layout.capacity);
  EXPECT_EQ(layout.records_at % 8, 0U);
  const size_t end = layout.records_at + size_t{layout.capacity} * layout.record_bytes;
  EXPECT_LE(end, sizeof(TreeNode::body));
  EXPECT_GT(end + layout.record_bytes + 8, sizeof(TreeNode::body));
}

TEST_P(BTreeNodeTest, RandomChangesAgreeWithASortedVector) {
  std::mt19937_64 random(1);
  std::vector<TreeRecord> model;
  for (int step = 0; step < 5000; ++step) {
    const TreeRecord record = Record(random() % 500, random());
    const uint32_t at = editor_.LowerBound(record.key);
    const auto expected = std::ranges::lower_bound(model, record.key, {}, &TreeRecord::key);
    ASSERT_EQ(at, expected - model.begin());
    if (editor_.KeyIs(at, record.key)) {
      ASSERT_EQ(editor_.UpperBound(record.key), at + 1);
      editor_.Remove(at);
      model.erase(expected);
    } else if (!editor_.is_full()) {
      ASSERT_EQ(editor_.UpperBound(record.key), at);
      editor_.Insert(at, record);
      model.insert(expected, record);
    } else {
      editor_.Remove(0);
      model.erase(model.begin());
    }
    ASSERT_EQ(editor_.count(), model.size());
    if (!model.empty()) {
      ASSERT_EQ(FaultIn(node_), std::nullopt);
      const size_t any = random() % model.size();
      ASSERT_EQ(editor_.At(static_cast<uint32_t>(any)), model[any]);
    }
  }
}

TEST_P(BTreeNodeTest, AnInsertChangesFewLines) {
  const uint32_t capacity = editor_.capacity();
  Fill(capacity - 1);
  const TreeNode before = node_;
  // Count, slots, and a record that may lie over two lines. The header's own line comes on top.
  const uint64_t most = 1 + (capacity + kLine - 1) / kLine + 2;
  EXPECT_LT(most, TreeCosts::kLinesPerNode);
  for (uint32_t at = 0; at < capacity; ++at) {
    node_ = before;
    editor_.Insert(at, Record(2 * at + 1, at));
    EXPECT_LE(ChangedLines(before, node_), most) << "at " << at;
    editor_.Remove(at);
    EXPECT_EQ(std::memcmp(node_.body, before.body, at), 0) << "slots before the place moved";
  }
  node_ = before;
  editor_.Insert(capacity - 1, Record(2 * capacity + 1, 0));
  EXPECT_LE(ChangedLines(before, node_), 4U) << "appending moves no slots";
}

TEST_P(BTreeNodeTest, ARemovalLeavesTheRecordsWhereTheyAre) {
  Fill(editor_.capacity());
  const TreeNode before = node_;
  editor_.Remove(editor_.capacity() / 2);
  const size_t records = sizeof(TreeNodeHeader) + editor_.layout().records_at;
  EXPECT_EQ(
      std::memcmp(reinterpret_cast<const std::byte*>(&before) + records,
                  reinterpret_cast<const std::byte*>(&node_) + records, sizeof(TreeNode) - records),
      0);
}

TEST_P(BTreeNodeTest, AppendAndPrependKeepOrder) {
  Fill(10);
  const TreeNode other_node = node_;
  const NodeView other(&other_node, GetParam().kind, GetParam().level);
  editor_.Truncate(4);
  editor_.Append(other, 6, 10);
  editor_.Remove(1);
  editor_.Prepend(other, 0, 0);
  EXPECT_EQ(editor_.count(), 7U);
  EXPECT_EQ(FaultIn(node_), std::nullopt);
  editor_.Truncate(0);
  editor_.Append(other, 5, 10);
  editor_.Prepend(other, 0, 5);
  ASSERT_EQ(editor_.count(), 10U);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(editor_.At(i), other.At(i));
}

TEST_P(BTreeNodeTest, ChildForIsTheLastChildWithASmallerOrEqualKey) {
  Fill(3);  // keys 2, 4, 6
  EXPECT_EQ(editor_.ChildFor(Record(1, 0).key), 0U);
  EXPECT_EQ(editor_.ChildFor(Record(2, 0).key), 0U);
  EXPECT_EQ(editor_.ChildFor(Record(5, 0).key), 1U);
  EXPECT_EQ(editor_.ChildFor(Record(99, 0).key), 2U);
}

TEST_P(BTreeNodeTest, EachFaultIsFound) {
  Fill(20);
  const TreeNode sound = node_;
  ASSERT_EQ(FaultIn(sound), std::nullopt);
  const auto expect_fault = [&](auto damage) {
    node_ = sound;
    damage();
    EXPECT_TRUE(FaultIn(node_));
  };
  expect_fault([&] { node_.node.kind = 0; });
  expect_fault([&] { node_.node.kind = 5; });
  expect_fault([&] { node_.node.kind = ~0U; });
  expect_fault([&] { node_.node.level = kMaxTreeHeight; });
  expect_fault([&] { --node_.node.capacity; });
  expect_fault([&] { node_.node.count = 0; });
  expect_fault([&] { node_.node.count = static_cast<uint16_t>(node_.node.capacity + 1); });
  expect_fault([&] { node_.body[3] = node_.body[4]; });
  expect_fault([&] { node_.body[editor_.capacity() - 1] = 0; });
  expect_fault([&] { node_.body[0] = 255; });
  expect_fault([&] { std::swap(node_.body[3], node_.body[4]); });
  expect_fault([&] { editor_.SetKey(5, editor_.Key(4)); });
}

TEST_P(BTreeNodeTest, FitsChecksThePlaceInTheTree) {
  const auto [kind, level] = GetParam();
  EXPECT_FALSE(NodeView::Fits(node_, kind, level)) << "without records";
  Fill(1);
  EXPECT_TRUE(NodeView::Fits(node_, kind, level));
  EXPECT_FALSE(NodeView::Fits(node_, kind, level + 1));
  for (const TreeKind other : kTreeKinds) {
    EXPECT_EQ(NodeView::Fits(node_, other, level), other == kind);
  }
  node_.node.count = static_cast<uint16_t>(node_.node.capacity + 1);
  EXPECT_FALSE(NodeView::Fits(node_, kind, level));
}

// On the heap, so that the address sanitizer sees a step outside.
TEST_P(BTreeNodeTest, SlotsGoneWildNeverLeadOutOfTheNode) {
  const auto wild = std::make_unique<TreeNode>();
  NodeEditor editor = NodeEditor::Format(wild.get(), GetParam().kind, GetParam().level);
  for (uint32_t i = 0; i < editor.capacity(); ++i) editor.Insert(i, Record(i, i));
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    for (uint32_t i = 0; i < editor.capacity(); ++i) wild->body[i] = static_cast<uint8_t>(random());
    EXPECT_LE(editor.LowerBound(Record(random() % 300, 0).key), editor.capacity());
    for (uint32_t i = 0; i < editor.capacity(); ++i) editor.Replace(i, editor.At(i));
    editor.Remove(static_cast<uint32_t>(random() % editor.capacity()));
    editor.Insert(0, Record(1, 1));
  }
  EXPECT_EQ(editor.count(), editor.capacity());
}

}  // namespace
}  // namespace holdfast::fsmeta
