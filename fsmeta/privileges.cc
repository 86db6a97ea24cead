// SPDX-License-Identifier: Apache-2.0
// Dropping suid, sgid and capabilities, as fs/attr.c and fs/inode.c of Linux do it.
#include "fsmeta/privileges.h"

#include <sys/stat.h>

#include "fsmeta/volume.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

constexpr std::string_view kCapabilityName = "security.capability";

// sgid without group-execute once meant mandatory locking: writing does not take it away.
uint32_t WithoutSetIds(uint32_t mode) {
  mode &= ~uint32_t{S_ISUID};
  if ((mode & S_IXGRP) != 0) mode &= ~uint32_t{S_ISGID};
  return mode;
}

}  // namespace

Result<bool> HasPrivileges(Volume& volume, MetaReader& reader, const InodeSlot& slot,
                           bool kill_suid_sgid) {
  if (!S_ISREG(slot.mode)) return false;
  if (kill_suid_sgid && WithoutSetIds(slot.mode) != slot.mode) return true;
  if (slot.xattr_block == 0) return false;
  return XattrStore(volume.allocator()).Contains(reader, slot, kCapabilityName);
}

Result<void> DropPrivileges(Volume& volume, Transaction& tx, InodeSlot* slot, bool kill_suid_sgid) {
  if (!S_ISREG(slot->mode)) return {};
  if (kill_suid_sgid) slot->mode = WithoutSetIds(slot->mode);
  HOLDFAST_TRY(XattrStore(volume.allocator()).Erase(tx, slot, kCapabilityName));
  return {};
}

uint32_t ModeAfterChown(const InodeSlot& slot, const Caller& caller) {
  if (S_ISDIR(slot.mode)) return slot.mode;
  uint32_t mode = WithoutSetIds(slot.mode);
  if (caller.uid != 0 && caller.gid != slot.gid) mode &= ~uint32_t{S_ISGID};
  return mode;
}

}  // namespace holdfast::fsmeta
