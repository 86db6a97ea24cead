// SPDX-License-Identifier: Apache-2.0
// Extended attributes as operations: namespaces, limits, access control lists.
#pragma once

#include <string>
#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/volume.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {

/// getxattr and its family. Names: user., trusted., security. and the two POSIX ACLs; others are
/// EOPNOTSUPP. Permissions are the kernel's. Thread-safe; takes the inode's metadata lock; each
/// change is one transaction.
class Xattrs {
 public:
  explicit Xattrs(Volume& volume) : volume_(volume), store_(volume.allocator()) {}

  /// ENODATA.
  Result<std::string> Get(Ino ino, std::string_view name);
  /// EEXIST (XATTR_CREATE), ENODATA (XATTR_REPLACE), E2BIG: value over 64 KiB, ERANGE: name over
  /// 255 bytes, ENOSPC: no space, or the names would not fit listxattr any more. `kill_sgid`: drop
  /// sgid with it (an ACL set by somebody outside the group).
  Result<void> Set(Ino ino, std::string_view name, std::string_view value, int flags,
                   bool kill_sgid);
  /// ENODATA.
  Result<void> Remove(Ino ino, std::string_view name);
  /// Names, each NUL-terminated.
  Result<std::string> List(Ino ino);

 private:
  Result<void> SetIn(Transaction& tx, InodeSlot* slot, std::string_view name,
                     std::string_view value, int flags) const;
  Result<void> CheckListRoom(Transaction& tx, const InodeSlot& slot, std::string_view name) const;

  Volume& volume_;
  const XattrStore store_;
};

}  // namespace holdfast::fsmeta
