// SPDX-License-Identifier: Apache-2.0
// Keeping and asking the groups' reverse maps.
#include "fsmeta/reverse_map.h"

#include <cassert>

#include "absl/strings/str_cat.h"
#include "fsmeta/btree_cursor.h"
#include "fsmeta/group_tree.h"

namespace holdfast::fsmeta {
namespace {

Result<void> CheckOwner(const Allocator& allocator, const Owner& owner) {
  if (allocator.IsFileRun(owner.run)) return {};
  return Fail(EUCLEAN, absl::StrCat("inode ", owner.ino.value(), " owns blocks [",
                                    owner.run.start.value(), ", +", owner.run.length.value(),
                                    "), which are no run of one group; run fsck.holdfast"));
}

// The record an extent demands is not there, or one that must not be there is.
Result<void> MustAgree(Result<void> done, const Owner& owner) {
  if (done || (done.error().code != ENOENT && done.error().code != EEXIST)) return done;
  return Fail(EUCLEAN,
              absl::StrCat("reverse map and extents of inode ", owner.ino.value(),
                           " disagree on block ", owner.run.start.value(), "; run fsck.holdfast"));
}

Result<GroupTree> OpenTree(Transaction& tx, Allocator& allocator, const Owner& owner,
                           AllocFor purpose) {
  HOLDFAST_TRY(CheckOwner(allocator, owner));
  return GroupTree::Open(tx, allocator, TreeKind::kReverseMap, owner.run.start, purpose);
}

}  // namespace

Result<void> ReverseMap::Insert(Transaction& tx, const Owner& owner, AllocFor purpose) {
  HOLDFAST_ASSIGN(GroupTree tree, OpenTree(tx, allocator_, owner, purpose));
  return MustAgree(tree.Insert(ToTreeRecord(owner)), owner);
}

Result<void> ReverseMap::Erase(Transaction& tx, const Owner& owner, AllocFor purpose) {
  HOLDFAST_ASSIGN(GroupTree tree, OpenTree(tx, allocator_, owner, purpose));
  const TreeRecord record = ToTreeRecord(owner);
  HOLDFAST_ASSIGN(const auto found, tree.tree().Find(tx, tree.root(), record.key));
  if (found != record) return MustAgree(Fail(ENOENT), owner);
  return tree.Erase(record.key);
}

Result<void> ReverseMap::Update(Transaction& tx, const Owner& owner) {
  HOLDFAST_ASSIGN(GroupTree tree, OpenTree(tx, allocator_, owner, AllocFor::kRemoval));
  return MustAgree(tree.Update(ToTreeRecord(owner)), owner);
}

Result<void> ReverseMap::Replace(Transaction& tx, const Owner& was, const Owner& now,
                                 AllocFor purpose) {
  HOLDFAST_TRY(CheckOwner(allocator_, now));
  HOLDFAST_ASSIGN(GroupTree tree, OpenTree(tx, allocator_, was, purpose));
  assert(allocator_.GroupOf(was.run.start) == allocator_.GroupOf(now.run.start));
  return MustAgree(tree.Replace(ToTreeRecord(was).key, ToTreeRecord(now)), was);
}

Result<std::vector<Owner>> ReverseMap::Owners(MetaReader& reader, BlockRun run) const {
  const uint64_t group = allocator_.GroupOf(run.start);
  HOLDFAST_ASSIGN(const TreeRoot root,
                  GroupTree::RootOf(reader, allocator_, TreeKind::kReverseMap, group));
  const BTree tree(TreeKind::kReverseMap, group);
  TreeCursor cursor(tree, reader, root);
  std::vector<Owner> owners;
  HOLDFAST_ASSIGN(bool more, cursor.SeekAtLeast(TreeKey{}));
  while (more) {
    const Owner owner = ToOwner(cursor.record());
    if (owner.run.start >= run.end()) break;
    HOLDFAST_TRY(CheckOwner(allocator_, owner));
    if (owner.run.end() > run.start) owners.push_back(owner);
    HOLDFAST_ASSIGN(more, cursor.Next());
  }
  return owners;
}

}  // namespace holdfast::fsmeta
