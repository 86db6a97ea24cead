// SPDX-License-Identifier: Apache-2.0
// The inside of one B+tree node: records that stay where they are under a permutation of slots.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "fsmeta/btree.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// Where things are in the body of a node of one kind, leaf or interior.
struct NodeLayout {
  uint32_t key_bytes = 0;
  uint32_t record_bytes = 0;
  uint32_t capacity = 0;    ///< records
  uint32_t records_at = 0;  ///< bytes from the start of TreeNode::body
};

/// The layout for a known kind.
const NodeLayout& LayoutOf(TreeKind kind, uint32_t level);

/// Why a node cannot be used, or nothing. Complete and slow (every slot, every key): done once,
/// when the node is first loaded. Its uses afterwards rely on that for the order of keys, never for
/// staying inside the node.
std::optional<std::string> FaultIn(const TreeNode& node);
/// EUCLEAN that names the node.
std::unexpected<Error> UnsoundNode(Pfn node, const char* why);
inline constexpr char kOverlapping[] = "its keys overlap its neighbour's";

/// A node to read. Whatever the node contains, nothing here reaches outside of it, provided that it
/// `Fits`. A view, as cheap as a pointer; valid as long as the node is.
class NodeView {
 public:
  NodeView() = default;
  NodeView(const TreeNode* node, TreeKind kind, uint32_t level)
      : node_(node), layout_(&LayoutOf(kind, level)) {}

  /// Are kind, level, capacity and count what the node's place in its tree demands?
  static bool Fits(const TreeNode& node, TreeKind kind, uint32_t level);

  const TreeNode& node() const { return *node_; }
  const NodeLayout& layout() const { return *layout_; }
  uint32_t count() const { return node_->node.count; }
  uint32_t capacity() const { return layout_->capacity; }
  bool is_full() const { return count() >= capacity(); }

  /// Number of the first record whose key is >= `key`; count() if there is none.
  uint32_t LowerBound(const TreeKey& key) const;
  /// How many records have a key <= `key`.
  uint32_t UpperBound(const TreeKey& key) const;
  /// Number of the child under which `key` belongs; the first, if it is less than every key.
  uint32_t ChildFor(const TreeKey& key) const {
    const uint32_t n = UpperBound(key);
    return n == 0 ? 0 : n - 1;
  }

  TreeKey Key(uint32_t i) const {
    TreeKey key;
    std::memcpy(key.words.data(), Record(i), layout_->key_bytes);
    return key;
  }
  TreeKey FirstKey() const { return Key(0); }
  TreeKey LastKey() const { return Key(count() - 1); }
  /// Does record `i` exist, with exactly this key?
  bool KeyIs(uint32_t i, const TreeKey& key) const { return i < count() && Key(i) == key; }
  TreeRecord At(uint32_t i) const {
    TreeRecord record;
    const uint8_t* from = Record(i);
    std::memcpy(record.key.words.data(), from, layout_->key_bytes);
    std::memcpy(record.value.data(), from + layout_->key_bytes,
                layout_->record_bytes - layout_->key_bytes);
    return record;
  }
  /// Was record `i` the last to come? Right while only inserts happened, since slots are first
  /// taken in order; otherwise a guess.
  bool IsNewest(uint32_t i) const { return SlotOf(i) == count() - 1; }
  /// Interior nodes: the block of child `i`.
  Pfn Child(uint32_t i) const {
    uint64_t block;
    std::memcpy(&block, Record(i) + layout_->key_bytes, sizeof(block));
    return Pfn(block);
  }

 protected:
  // Slots were checked when the node was first loaded. They are held below the capacity all the
  // same: a store gone astray since then may yield a wrong record, not a wrong address.
  uint32_t SlotOf(uint32_t i) const {
    const uint32_t slot = node_->body[i];
    return slot < layout_->capacity ? slot : 0;
  }
  size_t RecordOffset(uint32_t i) const {
    return layout_->records_at + size_t{SlotOf(i)} * layout_->record_bytes;
  }
  const uint8_t* Record(uint32_t i) const { return node_->body + RecordOffset(i); }

 private:
  template <bool kOrEqual>
  uint32_t CountBelow(const TreeKey& key) const;

  const TreeNode* node_ = nullptr;
  const NodeLayout* layout_ = nullptr;
};

/// A transaction's copy of a node, to change. A change of one record touches that record, the slots
/// behind its position and the count, so that few cache lines differ from the medium.
class NodeEditor : public NodeView {
 public:
  NodeEditor(TreeNode* node, TreeKind kind, uint32_t level)
      : NodeView(node, kind, level), node_(node) {}

  /// Makes a zeroed block a node without records.
  static NodeEditor Format(TreeNode* node, TreeKind kind, uint32_t level);

  /// Puts `record` at position `i` <= count(). The node is not full.
  void Insert(uint32_t i, const TreeRecord& record);
  void Remove(uint32_t i);
  /// Overwrites record `i` where it stands. The order of keys must stay.
  void Replace(uint32_t i, const TreeRecord& record);
  void SetKey(uint32_t i, const TreeKey& key) {
    std::memcpy(node_->body + RecordOffset(i), key.words.data(), layout().key_bytes);
  }
  /// Forgets all records but the first `count`.
  void Truncate(uint32_t count) { node_->node.count = static_cast<uint16_t>(count); }
  /// Adds records [first, last) of `from` behind its own, or before them. There is room.
  void Append(const NodeView& from, uint32_t first, uint32_t last);
  void Prepend(const NodeView& from, uint32_t first, uint32_t last);

 private:
  TreeNode* node_;
};

}  // namespace holdfast::fsmeta
