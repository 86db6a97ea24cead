// SPDX-License-Identifier: Apache-2.0
// Searching and changing one B+tree node, and the complete check of it.
#include "fsmeta/btree_node.h"

#include <array>
#include <bitset>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kWord = sizeof(uint64_t);
constexpr uint32_t kKinds = 5;  // 0 is none

constexpr std::array<TreeShape, kKinds> kShapes = {{{0, 0}, {1, 2}, {1, 1}, {3, 1}, {2, 1}}};

constexpr NodeLayout MakeLayout(TreeShape shape, bool leaf) {
  const uint32_t value_words = leaf ? shape.value_words : 1;
  NodeLayout layout{.key_bytes = shape.key_words * kWord,
                    .record_bytes = (shape.key_words + value_words) * kWord};
  const auto bytes_for = [&](uint32_t n) {
    return (n + kWord - 1) / kWord * kWord + n * layout.record_bytes;
  };
  while (bytes_for(layout.capacity + 1) <= sizeof(TreeNode::body)) ++layout.capacity;
  layout.records_at = (layout.capacity + kWord - 1) / kWord * kWord;
  return layout;
}

constexpr auto kLayouts = [] {
  std::array<std::array<NodeLayout, 2>, kKinds> layouts{};
  for (uint32_t kind = 1; kind < kKinds; ++kind) {
    layouts[kind] = {MakeLayout(kShapes[kind], true), MakeLayout(kShapes[kind], false)};
  }
  return layouts;
}();
static_assert(kLayouts[1][0].capacity == 158 && kLayouts[1][1].capacity == 233);
static_assert(kLayouts[2][0].capacity == 233 && kLayouts[2][1].capacity == 233);
static_assert(kLayouts[3][0].capacity == 120 && kLayouts[3][1].capacity == 120);
static_assert(kLayouts[4][0].capacity == 158 && kLayouts[4][1].capacity == 158);

bool IsTreeKind(uint32_t kind) { return kind >= 1 && kind < kKinds; }

bool SlotsArePermutation(const TreeNode& node, uint32_t capacity) {
  std::bitset<256> seen;
  for (uint32_t i = 0; i < capacity; ++i) {
    if (node.body[i] >= capacity || seen[node.body[i]]) return false;
    seen.set(node.body[i]);
  }
  return true;
}

}  // namespace

TreeShape ShapeOf(TreeKind kind) { return kShapes[static_cast<uint32_t>(kind)]; }

const NodeLayout& LayoutOf(TreeKind kind, uint32_t level) {
  return kLayouts[static_cast<uint32_t>(kind)][level == 0 ? 0 : 1];
}

uint32_t NodeCapacity(TreeKind kind, uint32_t level) { return LayoutOf(kind, level).capacity; }

std::optional<std::string> FaultIn(const TreeNode& node) {
  const TreeNodeHeader& head = node.node;
  if (!IsTreeKind(head.kind)) return absl::StrCat("unknown kind of tree ", head.kind);
  if (head.level >= kMaxTreeHeight) return absl::StrCat("level ", head.level, " is too high");
  const NodeView view(&node, static_cast<TreeKind>(head.kind), head.level);
  if (head.capacity != view.capacity()) {
    return absl::StrCat("capacity is ", head.capacity, ", expected ", view.capacity());
  }
  if (head.count == 0 || head.count > view.capacity()) {
    return absl::StrCat("holds ", head.count, " records of ", view.capacity());
  }
  if (!SlotsArePermutation(node, view.capacity())) return "its slots are no permutation";
  for (uint32_t i = 1; i < head.count; ++i) {
    if (view.Key(i - 1) >= view.Key(i)) return absl::StrCat("record ", i, " is out of order");
  }
  return std::nullopt;
}

std::unexpected<Error> UnsoundNode(Pfn node, const char* why) {
  return Fail(EUCLEAN,
              absl::StrCat("tree node in block ", node.value(), ": ", why, "; run fsck.holdfast"));
}

bool NodeView::Fits(const TreeNode& node, TreeKind kind, uint32_t level) {
  const TreeNodeHeader& head = node.node;
  const uint32_t capacity = NodeCapacity(kind, level);
  return head.kind == static_cast<uint32_t>(kind) && head.level == level &&
         head.capacity == capacity && head.count >= 1 && head.count <= capacity;
}

template <bool kOrEqual>
uint32_t NodeView::CountBelow(const TreeKey& key) const {
  const auto below = [&](uint32_t i) {
    const uint8_t* at = Record(i);
    for (uint32_t word = 0;; ++word) {
      uint64_t mine;
      std::memcpy(&mine, at + size_t{word} * kWord, kWord);
      if (mine != key.words[word]) return mine < key.words[word];
      if ((word + 1) * kWord == layout_->key_bytes) return kOrEqual;
    }
  };
  uint32_t low = 0;
  uint32_t high = count();
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (below(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t NodeView::LowerBound(const TreeKey& key) const { return CountBelow<false>(key); }
uint32_t NodeView::UpperBound(const TreeKey& key) const { return CountBelow<true>(key); }

NodeEditor NodeEditor::Format(TreeNode* node, TreeKind kind, uint32_t level) {
  NodeEditor editor(node, kind, level);
  node->node.kind = static_cast<uint32_t>(kind);
  node->node.level = static_cast<uint16_t>(level);
  node->node.capacity = static_cast<uint16_t>(editor.capacity());
  node->node.count = 0;
  for (uint32_t i = 0; i < editor.capacity(); ++i) node->body[i] = static_cast<uint8_t>(i);
  return editor;
}

void NodeEditor::Insert(uint32_t i, const TreeRecord& record) {
  const uint32_t n = count();
  assert(i <= n && n < capacity());
  // The first free slot is the one freed last: its record's lines are the likeliest to be warm.
  const uint8_t slot = node_->body[n];
  std::memmove(node_->body + i + 1, node_->body + i, n - i);
  node_->body[i] = slot;
  Truncate(n + 1);
  Replace(i, record);
}

void NodeEditor::Remove(uint32_t i) {
  const uint32_t n = count();
  assert(i < n);
  const uint8_t slot = node_->body[i];
  std::memmove(node_->body + i, node_->body + i + 1, n - i - 1);
  node_->body[n - 1] = slot;
  Truncate(n - 1);
}

void NodeEditor::Replace(uint32_t i, const TreeRecord& record) {
  SetKey(i, record.key);
  std::memcpy(node_->body + RecordOffset(i) + layout().key_bytes, record.value.data(),
              layout().record_bytes - layout().key_bytes);
}

void NodeEditor::Append(const NodeView& from, uint32_t first, uint32_t last) {
  for (uint32_t i = first; i < last; ++i) Insert(count(), from.At(i));
}

void NodeEditor::Prepend(const NodeView& from, uint32_t first, uint32_t last) {
  for (uint32_t i = last; i > first; --i) Insert(0, from.At(i - 1));
}

}  // namespace holdfast::fsmeta
