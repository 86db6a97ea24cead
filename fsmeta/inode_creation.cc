// SPDX-License-Identifier: Apache-2.0
// Filling in the slot of a new inode.
#include "fsmeta/inode_creation.h"

#include <sys/stat.h>

#include "fsmeta/acl_store.h"
#include "fsmeta/symlink.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

// As inode_init_owner() of Linux. That a setgid file of a foreign group is not made is the kernel's
// check: it knows the caller's groups.
void SetOwner(const InodeSlot& parent, const Caller& caller, InodeSlot* slot) {
  const bool inherits_group = (parent.mode & S_ISGID) != 0;
  slot->uid = caller.uid;
  slot->gid = inherits_group ? parent.gid : caller.gid;
  if (inherits_group && S_ISDIR(slot->mode)) slot->mode |= S_ISGID;
}

void SetTimes(InodeSlot* slot) {
  const timespec now = Now();
  const auto nsec = static_cast<uint32_t>(now.tv_nsec);
  slot->atime_sec = slot->mtime_sec = slot->ctime_sec = slot->btime_sec = now.tv_sec;
  slot->atime_nsec = slot->mtime_nsec = slot->ctime_nsec = slot->btime_nsec = nsec;
}

}  // namespace

Result<std::pair<Ino, InodeSlot*>> CreateInode(Volume& volume, Transaction& tx,
                                               const InodeSlot& parent, const NewInode& what,
                                               const Caller& caller) {
  const Ino directory(parent.header.owner);
  HOLDFAST_ASSIGN(const auto made, volume.inodes().Allocate(tx, directory));
  InodeSlot* slot = made.second;
  slot->mode = what.mode;
  slot->nlink = what.nlink;
  slot->rdev = what.rdev;
  if (S_ISDIR(what.mode)) slot->parent = directory.value();
  SetOwner(parent, caller, slot);
  SetTimes(slot);
  if (S_ISLNK(what.mode)) HOLDFAST_TRY(WriteSymlink(volume, tx, slot, what.target));
  if (what.nlink == 0) HOLDFAST_TRY(volume.orphans().Add(tx, made.first, slot));
  const AclStore acls{XattrStore(volume.allocator())};
  HOLDFAST_TRY(acls.Inherit(tx, parent, slot, caller.umask));
  return made;
}

}  // namespace holdfast::fsmeta
