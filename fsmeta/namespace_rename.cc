// SPDX-License-Identifier: Apache-2.0
// Renaming: within a directory, across directories, over something, and exchanging two.
#include <linux/fs.h>
#include <sys/stat.h>

#include "absl/strings/str_format.h"
#include "fsmeta/namespace.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {
namespace {

bool IsDirectory(const InodeSlot& slot) { return S_ISDIR(slot.mode); }

Result<void> CheckRenamable(std::string_view name) {
  HOLDFAST_TRY(CheckEntryName(name));
  if (name == "." || name == "..") return Fail(EBUSY);
  return {};
}

// May `moved` take the name that `replaced` has?
Result<void> CheckReplaceable(const InodeSlot& moved, const InodeSlot& replaced) {
  if (IsDirectory(moved) && !IsDirectory(replaced)) return Fail(ENOTDIR);
  if (!IsDirectory(moved) && IsDirectory(replaced)) return Fail(EISDIR);
  if (IsDirectory(replaced) && replaced.dir_entries != 0) return Fail(ENOTEMPTY);
  return {};
}

Result<void> CheckExistence(bool source, bool target, unsigned flags) {
  if (!source) return Fail(ENOENT);
  if (target && (flags & RENAME_NOREPLACE) != 0) return Fail(EEXIST);
  if (!target && (flags & RENAME_EXCHANGE) != 0) return Fail(ENOENT);
  return {};
}

}  // namespace

Result<void> Namespace::Rename(Ino parent, std::string_view name, Ino new_parent,
                               std::string_view new_name, unsigned flags) {
  HOLDFAST_TRY(volume_.CheckWritable());
  if ((flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0 ||
      flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
    return Fail(EINVAL);
  }
  HOLDFAST_TRY(CheckRenamable(name));
  HOLDFAST_TRY(CheckRenamable(new_name));
  if (Seeded(SeededBug::kRenameUnlinksFirst) && flags == 0) {
    static_cast<void>(Unlink(new_parent, new_name));
  }
  const RenameRequest request{parent, name, new_parent, new_name, flags};
  return parent == new_parent ? RenameWithin(request) : RenameAcross(request);
}

Result<void> Namespace::RenameWithin(const RenameRequest& request) {
  MetaLocks locks;
  LiveInode* directory = locks.Add(volume_.live().Get(request.parent));
  Step steps[] = {{directory, directories_.Hashed(request.name), {}, nullptr},
                  {directory, directories_.Hashed(request.new_name), {}, nullptr}};
  HOLDFAST_TRY(LockSteps(steps, &locks));
  auto& [from, to] = steps;
  HOLDFAST_TRY(CheckExistence(from.child != nullptr, to.child != nullptr, request.flags));
  return RenameLocked(from, to, request.flags);
}

Result<void> Namespace::RenameAcross(const RenameRequest& request) {
  absl::MutexLock rename_lock(&rename_lock_);
  // Stable from here on, whatever the names will turn out to lead to.
  HOLDFAST_ASSIGN(const AncestorSet above_target, AncestorsOf(request.new_parent));
  HOLDFAST_ASSIGN(const AncestorSet above_source, AncestorsOf(request.parent));
  MetaLocks locks;
  Step steps[] = {{locks.Add(volume_.live().Get(request.parent)),
                   directories_.Hashed(request.name),
                   {},
                   nullptr},
                  {locks.Add(volume_.live().Get(request.new_parent)),
                   directories_.Hashed(request.new_name),
                   {},
                   nullptr}};
  HOLDFAST_TRY(LockSteps(steps, &locks));
  auto& [from, to] = steps;
  HOLDFAST_TRY(CheckExistence(from.child != nullptr, to.child != nullptr, request.flags));
  // A directory does not go below itself.
  if (above_target.contains(from.child->ino)) return Fail(EINVAL);
  if (to.child != nullptr && above_source.contains(to.child->ino)) {
    return Fail((request.flags & RENAME_EXCHANGE) != 0 ? EINVAL : ENOTEMPTY);
  }
  return RenameLocked(from, to, request.flags);
}

// The directory itself and all above it.
Result<Namespace::AncestorSet> Namespace::AncestorsOf(Ino directory) {
  AncestorSet above;
  for (Ino ino = directory;;) {
    if (!above.insert(ino).second) {
      return Fail(EUCLEAN,
                  absl::StrFormat("directory %d is above itself; run fsck.holdfast", ino.value()));
    }
    if (ino.value() == kInoRoot) return above;
    HOLDFAST_ASSIGN(ino, ParentOf(ino));
  }
}

Result<void> Namespace::RenameLocked(Step& from, Step& to, unsigned flags) {
  if (from.child == to.child) return {};  // two names of one file: both stay (POSIX)
  return volume_.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const Move move, BeginMove(tx, from, to));
    if ((flags & RENAME_EXCHANGE) != 0) {
      HOLDFAST_TRY(Exchange(tx, move));
    } else if (move.to_child != nullptr) {
      HOLDFAST_TRY(Replace(tx, move));
    } else {
      HOLDFAST_TRY(MoveEntry(tx, move));
    }
    StampTimes(tx, *from.child, move.from_child, {.ctime = Now()});
    StampParent(tx, *from.directory, move.from_dir);
    StampParent(tx, *to.directory, move.to_dir);
    return {};
  });
}

Result<Namespace::Move> Namespace::BeginMove(Transaction& tx, Step& from, Step& to) {
  Move move{from, to, nullptr, nullptr, nullptr, nullptr};
  HOLDFAST_ASSIGN(move.from_dir, EditDirectorySlot(tx, *from.directory));
  HOLDFAST_ASSIGN(move.to_dir, EditDirectorySlot(tx, *to.directory));
  HOLDFAST_ASSIGN(move.from_child, EditChildSlot(tx, *from.child));
  if (to.child != nullptr) {
    HOLDFAST_ASSIGN(move.to_child, EditChildSlot(tx, *to.child));
  }
  return move;
}

Result<void> Namespace::MoveEntry(Transaction& tx, const Move& move) {
  const auto& [from, to, from_dir, to_dir, from_child, to_child] = move;
  const DirectoryEdit source = EditOf(*from.directory, from_dir);
  if (move.same_dir()) return directories_.Rename(tx, source, from.name, *from.entry, to.name);
  const EntryTarget target{from.child->ino, EntryTypeOf(*from_child)};
  HOLDFAST_TRY(directories_.Insert(tx, EditOf(*to.directory, to_dir), to.name, target));
  HOLDFAST_TRY(directories_.Erase(tx, source, from.name, *from.entry));
  if (!IsDirectory(*from_child)) return {};
  from_child->parent = to.directory->ino.value();
  HOLDFAST_TRY(AddSubdirectories(from_dir, -1));
  return AddSubdirectories(to_dir, 1);
}

Result<void> Namespace::Replace(Transaction& tx, const Move& move) {
  const auto& [from, to, from_dir, to_dir, from_child, to_child] = move;
  HOLDFAST_TRY(CheckReplaceable(*from_child, *to_child));
  const EntryTarget target{from.child->ino, EntryTypeOf(*from_child)};
  HOLDFAST_TRY(
      directories_.Retarget(tx, EditOf(*to.directory, to_dir), to.name, *to.entry, target));
  HOLDFAST_TRY(directories_.Erase(tx, EditOf(*from.directory, from_dir), from.name, *from.entry));
  if (!IsDirectory(*from_child)) return DropLink(tx, *to.child, to_child);
  HOLDFAST_TRY(DropDirectory(tx, *to.child, to_child, to_dir));
  from_child->parent = to.directory->ino.value();
  HOLDFAST_TRY(AddSubdirectories(from_dir, -1));
  return AddSubdirectories(to_dir, 1);
}

Result<void> Namespace::Exchange(Transaction& tx, const Move& move) {
  const auto& [from, to, from_dir, to_dir, from_child, to_child] = move;
  HOLDFAST_TRY(directories_.Retarget(tx, EditOf(*from.directory, from_dir), from.name, *from.entry,
                                     {to.child->ino, EntryTypeOf(*to_child)}));
  HOLDFAST_TRY(directories_.Retarget(tx, EditOf(*to.directory, to_dir), to.name, *to.entry,
                                     {from.child->ino, EntryTypeOf(*from_child)}));
  StampTimes(tx, *to.child, to_child, {.ctime = Now()});
  if (move.same_dir()) return {};
  if (IsDirectory(*from_child)) from_child->parent = to.directory->ino.value();
  if (IsDirectory(*to_child)) to_child->parent = from.directory->ino.value();
  if (IsDirectory(*from_child) == IsDirectory(*to_child)) return {};
  const int delta = IsDirectory(*from_child) ? 1 : -1;
  HOLDFAST_TRY(AddSubdirectories(from_dir, -delta));
  return AddSubdirectories(to_dir, delta);
}

}  // namespace holdfast::fsmeta
