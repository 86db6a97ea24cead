// SPDX-License-Identifier: Apache-2.0
// Opening a group's tree and keeping its root in the group header.
#include "fsmeta/group_tree.h"

#include <cassert>

namespace holdfast::fsmeta {
namespace {

TreeRoot GroupHeader::* RootMember(TreeKind kind) {
  assert(kind == TreeKind::kRefcount || kind == TreeKind::kReverseMap);
  return kind == TreeKind::kRefcount ? &GroupHeader::refcounts : &GroupHeader::reverse_map;
}

}  // namespace

Result<GroupTree> GroupTree::Open(Transaction& tx, Allocator& allocator, TreeKind kind, Pfn block,
                                  AllocFor purpose) {
  const uint64_t group = allocator.GroupOf(block);
  HOLDFAST_TRY(tx.Lock({ResourceClass::kGroup, group}));
  HOLDFAST_ASSIGN(const TreeRoot root, RootOf(tx, allocator, kind, group));
  return GroupTree(tx, allocator, kind, group, root, AllocatorNodeSpace(allocator, block, purpose));
}

Result<TreeRoot> GroupTree::RootOf(MetaReader& reader, const Allocator& allocator, TreeKind kind,
                                   uint64_t group) {
  HOLDFAST_ASSIGN(const GroupHeader* header, allocator.ReadGroup(reader, group));
  return header->*RootMember(kind);
}

// The group header is edited only when it has to be: copying it costs more than most changes here.
Result<void> GroupTree::KeepRoot(Result<void> done) {
  if (!done) return done;
  if (root_.node == stored_root_.node && root_.height == stored_root_.height) return {};
  HOLDFAST_ASSIGN(GroupHeader * header, allocator_.EditGroup(tx_, group_));
  header->*RootMember(tree_.kind()) = root_;
  stored_root_ = root_;
  return {};
}

Result<void> GroupTree::Insert(const TreeRecord& record) {
  return KeepRoot(tree_.Insert(tx_, &root_, record, space_));
}

Result<void> GroupTree::Update(const TreeRecord& record) {
  return tree_.Update(tx_, &root_, record);
}

Result<void> GroupTree::Replace(const TreeKey& old_key, const TreeRecord& record) {
  return KeepRoot(tree_.Replace(tx_, &root_, old_key, record, space_));
}

Result<void> GroupTree::Erase(const TreeKey& key) {
  return KeepRoot(tree_.Erase(tx_, &root_, key, space_));
}

}  // namespace holdfast::fsmeta
