// SPDX-License-Identifier: Apache-2.0
// Removing names, and the inodes that lose their last one.
#include <sys/stat.h>

#include "absl/strings/str_format.h"
#include "fsmeta/namespace.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {

Result<void> Namespace::Unlink(Ino parent, std::string_view name) {
  return Remove(parent, name, /*directory=*/false);
}

Result<void> Namespace::RemoveDirectory(Ino parent, std::string_view name) {
  return Remove(parent, name, /*directory=*/true);
}

Result<void> Namespace::Remove(Ino parent, std::string_view name, bool directory) {
  HOLDFAST_TRY(volume_.CheckWritable());
  HOLDFAST_TRY(CheckEntryName(name));
  if (name == ".") return Fail(directory ? EINVAL : EISDIR);
  if (name == "..") return Fail(directory ? ENOTEMPTY : EISDIR);
  MetaLocks locks;
  Step step{locks.Add(volume_.live().Get(parent)), directories_.Hashed(name), {}, nullptr};
  HOLDFAST_TRY(LockSteps({&step, 1}, &locks));
  if (step.child == nullptr) return Fail(ENOENT);
  return volume_.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * dir_slot, EditDirectorySlot(tx, *step.directory));
    HOLDFAST_ASSIGN(InodeSlot * slot, EditChildSlot(tx, *step.child));
    if (directory != S_ISDIR(slot->mode)) return Fail(directory ? ENOTDIR : EISDIR);
    if (directory && slot->dir_entries != 0) return Fail(ENOTEMPTY);
    HOLDFAST_TRY(directories_.Erase(tx, EditOf(*step.directory, dir_slot), step.name, *step.entry));
    StampParent(tx, *step.directory, dir_slot);
    if (directory) return DropDirectory(tx, *step.child, slot, dir_slot);
    return DropLink(tx, *step.child, slot);
  });
}

// One name less. The last one gone makes it an orphan: deleted when nobody uses it any more, or at
// the next mount.
Result<void> Namespace::DropLink(Transaction& tx, LiveInode& child, InodeSlot* slot) {
  if (slot->nlink == 0) {
    return Fail(EUCLEAN, absl::StrFormat("inode %d has a name, but a link count of 0; run "
                                         "fsck.holdfast",
                                         child.ino.value()));
  }
  --slot->nlink;
  StampTimes(tx, child, slot, {.ctime = Now()});
  if (slot->nlink != 0 || Seeded(SeededBug::kOrphanNotListed)) return {};
  return volume_.orphans().Add(tx, child.ino, slot);
}

Result<void> Namespace::DropDirectory(Transaction& tx, LiveInode& child, InodeSlot* slot,
                                      InodeSlot* parent) {
  HOLDFAST_TRY(AddSubdirectories(parent, -1));
  slot->nlink = 0;
  StampTimes(tx, child, slot, {.ctime = Now()});
  return volume_.orphans().Add(tx, child.ino, slot);
}

}  // namespace holdfast::fsmeta
