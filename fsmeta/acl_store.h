// SPDX-License-Identifier: Apache-2.0
// Access control lists of inodes: kept as attributes, in step with the mode bits.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/transaction.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {

/// Changes the lists of an inode slot. An access list that says no more than the mode bits is not
/// stored; kInodeHasAcl tells that one is, and then its mask is the mode's group bits. Stateless;
/// the caller holds the inode's metadata lock (exclusive).
class AclStore {
 public:
  explicit AclStore(const XattrStore& xattrs) : xattrs_(xattrs) {}

  /// Sets the access list and the mode bits it stands for; an empty list removes it and leaves the
  /// mode. EINVAL, EOPNOTSUPP: not a list (PosixAcl::Parse). EOPNOTSUPP: a symlink.
  Result<void> SetAccess(Transaction& tx, InodeSlot* slot, std::string_view value) const;
  /// Sets the list that new children inherit; an empty one removes it. EACCES: not a directory.
  Result<void> SetDefault(Transaction& tx, InodeSlot* slot, std::string_view value) const;
  /// Sets the permission bits (07777) of the mode, and the access list's entries for them.
  Result<void> ChangeMode(Transaction& tx, InodeSlot* slot, uint32_t permissions) const;
  /// Gives a new inode, whose mode is as the caller asked, what the parent's default list says;
  /// where there is none, applies the umask.
  Result<void> Inherit(Transaction& tx, const InodeSlot& parent, InodeSlot* child,
                       mode_t umask) const;

 private:
  XattrStore xattrs_;
};

}  // namespace holdfast::fsmeta
