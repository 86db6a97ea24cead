// SPDX-License-Identifier: Apache-2.0
// Applying changes of attributes to a slot.
#include "fsmeta/attribute_change.h"

#include "fsmeta/acl_store.h"
#include "fsmeta/lazy_times.h"
#include "fsmeta/privileges.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kChangeableBits = 07777;

}  // namespace

bool ChangesMoreThanSize(const AttributeChange& change) {
  const bool kills_by_itself = change.kill_suid_sgid && !change.size;
  return change.mode || change.uid || change.gid || change.atime || change.mtime || change.ctime ||
         kills_by_itself;
}

Result<void> ApplyChange(Volume& volume, Transaction& tx, LiveInode& inode, InodeSlot* slot,
                         const AttributeChange& change, const Caller& caller) {
  if (change.uid || change.gid) {
    slot->mode = ModeAfterChown(*slot, caller);
    HOLDFAST_TRY(DropPrivileges(volume, tx, slot, /*kill_suid_sgid=*/false));
    slot->uid = change.uid.value_or(slot->uid);
    slot->gid = change.gid.value_or(slot->gid);
  }
  if (change.kill_suid_sgid) HOLDFAST_TRY(DropPrivileges(volume, tx, slot, true));
  if (change.mode) {
    const AclStore acls{XattrStore(volume.allocator())};
    HOLDFAST_TRY(acls.ChangeMode(tx, slot, *change.mode & kChangeableBits));
  }
  StampTimes(tx, inode, slot,
             {.atime = change.atime,
              .mtime = change.mtime,
              .ctime = change.ctime ? change.ctime : std::optional(Now())});
  return {};
}

}  // namespace holdfast::fsmeta
