// SPDX-License-Identifier: Apache-2.0
// New names: of new inodes, and of ones that are there.
#include <sys/stat.h>

#include "fsmeta/namespace.h"
#include "fsmeta/symlink.h"

namespace holdfast::fsmeta {
namespace {

Result<void> CheckNewName(std::string_view name) {
  HOLDFAST_TRY(CheckEntryName(name));
  if (name == "." || name == "..") return Fail(EEXIST);
  return {};
}

Result<void> CheckNewInode(const NewInode& what) {
  switch (what.mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
      return {};
    case S_IFLNK:
      if (what.target.empty()) return Fail(ENOENT);
      if (what.target.size() > kMaxSymlinkBytes) return Fail(ENAMETOOLONG);
      return what.target.find('\0') == std::string_view::npos ? Result<void>() : Fail(EINVAL);
    default:
      return Fail(EINVAL);
  }
}

}  // namespace

Result<Attributes> Namespace::Make(const OpContext& op, Ino parent, std::string_view name,
                                   const NewInode& what) {
  HOLDFAST_TRY(volume_.CheckWritable());
  HOLDFAST_TRY(CheckNewName(name));
  HOLDFAST_TRY(CheckNewInode(what));
  const InodeRef directory = volume_.live().Get(parent);
  InodeRef child;
  absl::WriterMutexLock lock(&directory->meta);
  HOLDFAST_ASSIGN(const Attributes made,
                  volume_.transactions().Run([&](Transaction& tx) -> Result<Attributes> {
                    return MakeIn(tx, *directory, name, what, op.caller);
                  }));
  // Before the lock is dropped: until then nobody can remove the name and have the inode deleted.
  child = volume_.live().Get(made.ino);
  volume_.live().AddLookup(*child);
  return made;
}

Result<Attributes> Namespace::MakeIn(Transaction& tx, LiveInode& directory, std::string_view name,
                                     const NewInode& what, const Caller& caller) {
  HOLDFAST_ASSIGN(InodeSlot * parent, EditDirectorySlot(tx, directory));
  const HashedName hashed = directories_.Hashed(name);
  HOLDFAST_ASSIGN(const auto existing, directories_.Find(tx, *parent, hashed));
  if (existing) return Fail(EEXIST);
  HOLDFAST_ASSIGN(const auto made, CreateInode(volume_, tx, *parent, what, caller));
  const auto& [ino, slot] = made;
  HOLDFAST_TRY(
      directories_.Insert(tx, EditOf(directory, parent), hashed, {ino, EntryTypeOf(*slot)}));
  if (S_ISDIR(slot->mode)) HOLDFAST_TRY(AddSubdirectories(parent, 1));
  StampParent(tx, directory, parent);
  return AttributesOf(*slot);
}

Result<Attributes> Namespace::MakeTemporary(const OpContext& op, Ino parent, uint32_t mode) {
  HOLDFAST_TRY(volume_.CheckWritable());
  const NewInode what{.mode = S_IFREG | (mode & ~uint32_t{S_IFMT}), .nlink = 0, .target = {}};
  const InodeRef directory = volume_.live().Get(parent);
  InodeRef child;
  absl::ReaderMutexLock lock(&directory->meta);
  HOLDFAST_ASSIGN(
      const Attributes made, volume_.transactions().Run([&](Transaction& tx) -> Result<Attributes> {
        HOLDFAST_ASSIGN(const InodeSlot* slot, ReadDirectorySlot(parent));
        HOLDFAST_ASSIGN(const auto made, CreateInode(volume_, tx, *slot, what, op.caller));
        return AttributesOf(*made.second);
      }));
  child = volume_.live().Get(made.ino);
  volume_.live().AddLookup(*child);
  return made;
}

Result<Attributes> Namespace::Link(Ino ino, Ino parent, std::string_view name) {
  HOLDFAST_TRY(volume_.CheckWritable());
  HOLDFAST_TRY(CheckNewName(name));
  if (ino == parent) return Fail(EPERM);
  MetaLocks locks;
  LiveInode* directory = locks.Add(volume_.live().Get(parent));
  LiveInode* child = locks.Add(volume_.live().Get(ino));
  locks.Lock();
  HOLDFAST_TRY(volume_.transactions().Run(
      [&](Transaction& tx) { return LinkIn(tx, *directory, name, *child); }));
  volume_.live().AddLookup(*child);
  return ReadAttributes(*child);
}

Result<void> Namespace::LinkIn(Transaction& tx, LiveInode& directory, std::string_view name,
                               LiveInode& child) {
  HOLDFAST_ASSIGN(InodeSlot * parent, EditDirectorySlot(tx, directory));
  HOLDFAST_ASSIGN(InodeSlot * slot, volume_.inodes().Edit(tx, child.ino));
  if (S_ISDIR(slot->mode)) return Fail(EPERM);
  if (slot->nlink >= kMaxLinks) return Fail(EMLINK);
  const HashedName hashed = directories_.Hashed(name);
  HOLDFAST_ASSIGN(const auto existing, directories_.Find(tx, *parent, hashed));
  if (existing) return Fail(EEXIST);
  HOLDFAST_TRY(
      directories_.Insert(tx, EditOf(directory, parent), hashed, {child.ino, EntryTypeOf(*slot)}));
  // A temporary file gets its first name. Whether an unlinked one may, is the kernel's to say.
  if (slot->nlink == 0) HOLDFAST_TRY(volume_.orphans().Remove(tx, child.ino, slot));
  ++slot->nlink;
  StampTimes(tx, child, slot, {.ctime = Now()});
  StampParent(tx, directory, parent);
  return {};
}

}  // namespace holdfast::fsmeta
