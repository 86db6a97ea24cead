// SPDX-License-Identifier: Apache-2.0
// Making an inode: what it takes from its parent directory and from who asks.
#pragma once

#include <string_view>
#include <utility>

#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// What is to be made.
struct NewInode {
  uint32_t mode;            ///< type and permission bits, umask not applied
  uint64_t rdev = 0;        ///< devices
  uint32_t nlink = 1;       ///< directories: 2; 0: a temporary file, listed as an orphan
  std::string_view target;  ///< symlinks
};

/// Takes a free slot and fills it in: owner and group (the directory's, if it has setgid), mode by
/// default ACL or umask, access ACL, times, symlink target. The name is the caller's business.
/// `parent` is the slot of the directory, whose metadata lock the caller holds (shared at least).
/// Nobody else can know the new inode before the commit, so it needs no lock. ENOSPC.
Result<std::pair<Ino, InodeSlot*>> CreateInode(Volume& volume, Transaction& tx,
                                               const InodeSlot& parent, const NewInode& what,
                                               const Caller& caller);

}  // namespace holdfast::fsmeta
