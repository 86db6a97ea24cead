// SPDX-License-Identifier: Apache-2.0
// Storing access control lists beside the mode bits they belong to.
#include "fsmeta/acl_store.h"

#include <sys/stat.h>

#include "absl/strings/str_format.h"
#include "fsmeta/posix_acl.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kPermissionBits = 0777;

// A list that was stored, so it was a sound one then.
Result<PosixAcl> ParseStored(const InodeSlot& slot, std::string_view value) {
  auto acl = PosixAcl::Parse(value);
  if (acl && !acl->empty()) return acl;
  return Fail(EUCLEAN, absl::StrFormat("inode %d: its access control list is not one; run "
                                       "fsck.holdfast",
                                       slot.header.owner));
}

}  // namespace

Result<void> AclStore::SetAccess(Transaction& tx, InodeSlot* slot, std::string_view value) const {
  if (S_ISLNK(slot->mode)) return Fail(EOPNOTSUPP);
  HOLDFAST_ASSIGN(const PosixAcl acl, PosixAcl::Parse(value));
  if (!acl.empty()) slot->mode = (slot->mode & ~kPermissionBits) | acl.Permissions();
  if (!acl.empty() && !acl.IsModeOnly()) {
    slot->flags |= kInodeHasAcl;
    return xattrs_.Write(tx, slot, kAccessAclName, acl.Serialize());
  }
  slot->flags &= ~kInodeHasAcl;
  HOLDFAST_TRY(xattrs_.Erase(tx, slot, kAccessAclName));
  return {};
}

Result<void> AclStore::SetDefault(Transaction& tx, InodeSlot* slot, std::string_view value) const {
  HOLDFAST_ASSIGN(const PosixAcl acl, PosixAcl::Parse(value));
  if (!acl.empty() && !S_ISDIR(slot->mode)) return Fail(EACCES);
  if (!acl.empty()) return xattrs_.Write(tx, slot, kDefaultAclName, acl.Serialize());
  HOLDFAST_TRY(xattrs_.Erase(tx, slot, kDefaultAclName));
  return {};
}

Result<void> AclStore::ChangeMode(Transaction& tx, InodeSlot* slot, uint32_t permissions) const {
  slot->mode = (slot->mode & S_IFMT) | (permissions & ~uint32_t{S_IFMT});
  if ((slot->flags & kInodeHasAcl) == 0) return {};
  HOLDFAST_ASSIGN(const auto value, xattrs_.Read(tx, *slot, kAccessAclName));
  if (!value) return {};
  HOLDFAST_ASSIGN(PosixAcl acl, ParseStored(*slot, *value));
  acl.SetPermissions(permissions);
  return xattrs_.Write(tx, slot, kAccessAclName, acl.Serialize());
}

Result<void> AclStore::Inherit(Transaction& tx, const InodeSlot& parent, InodeSlot* child,
                               mode_t umask) const {
  if (S_ISLNK(child->mode)) return {};
  HOLDFAST_ASSIGN(const auto value, xattrs_.Read(tx, parent, kDefaultAclName));
  if (!value) {
    child->mode &= ~(umask & kPermissionBits);
    return {};
  }
  HOLDFAST_ASSIGN(PosixAcl acl, ParseStored(parent, *value));
  child->mode = acl.InheritWith(child->mode);
  if (!acl.IsModeOnly()) {
    child->flags |= kInodeHasAcl;
    HOLDFAST_TRY(xattrs_.Write(tx, child, kAccessAclName, acl.Serialize()));
  }
  return S_ISDIR(child->mode) ? xattrs_.Write(tx, child, kDefaultAclName, *value) : Result<void>();
}

}  // namespace holdfast::fsmeta
