// SPDX-License-Identifier: Apache-2.0
// chmod, chown and utimes: what they change, and what else that changes.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// Does it ask for anything but a size (which is FileData's business)?
bool ChangesMoreThanSize(const AttributeChange& change);

/// Everything in `change` but the size, in the caller's transaction. A new owner takes suid, sgid
/// and capabilities away; a new mode changes the access ACL with it; ctime is now unless given.
/// Whether the caller may do it, and keep setgid, is the kernel's to say. The caller holds the
/// metadata lock (exclusive).
Result<void> ApplyChange(Volume& volume, Transaction& tx, LiveInode& inode, InodeSlot* slot,
                         const AttributeChange& change, const Caller& caller);

}  // namespace holdfast::fsmeta
