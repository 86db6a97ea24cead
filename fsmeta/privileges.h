// SPDX-License-Identifier: Apache-2.0
// Privileges that a file loses when it changes: suid, sgid and security.capability.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

class Volume;

/// Would `DropPrivileges` change anything? O(1) for an inode without attributes and suid/sgid bits,
/// which is nearly every one. The caller holds the metadata lock (shared).
Result<bool> HasPrivileges(Volume& volume, MetaReader& reader, const InodeSlot& slot,
                           bool kill_suid_sgid);

/// What writing to a file, truncating it or changing its blocks does to its privileges: the
/// capabilities always go; with `kill_suid_sgid` (the kernel's word that the caller lacks
/// CAP_FSETID) suid goes, and sgid where the group may execute. Regular files only; others are left
/// alone. The caller holds the metadata lock and stamps ctime.
Result<void> DropPrivileges(Volume& volume, Transaction& tx, InodeSlot* slot, bool kill_suid_sgid);

/// The mode after a change of owner by `caller`: suid goes, and sgid where the group may execute or
/// the caller is not of the group. Directories keep theirs.
uint32_t ModeAfterChown(const InodeSlot& slot, const Caller& caller);

}  // namespace holdfast::fsmeta
