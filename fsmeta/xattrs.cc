// SPDX-License-Identifier: Apache-2.0
// The attribute operations: checks, locks, one transaction per change.
#include "fsmeta/xattrs.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>

#include "fsmeta/acl_store.h"
#include "fsmeta/posix_acl.h"

namespace holdfast::fsmeta {
namespace {

constexpr std::string_view kUserPrefix = "user.";
constexpr std::array<std::string_view, 3> kPrefixes = {kUserPrefix, "trusted.", "security."};

Result<void> CheckName(std::string_view name) {
  if (name.empty() || name.size() > kMaxXattrNameBytes) return Fail(ERANGE);
  if (name.find('\0') != std::string_view::npos) return Fail(EINVAL);
  if (name == kAccessAclName || name == kDefaultAclName) return {};
  for (const std::string_view prefix : kPrefixes) {
    if (!name.starts_with(prefix)) continue;
    return name.size() > prefix.size() ? Result<void>() : Fail(EINVAL);
  }
  return Fail(EOPNOTSUPP);
}

}  // namespace

Result<std::string> Xattrs::Get(Ino ino, std::string_view name) {
  HOLDFAST_TRY(CheckName(name));
  const InodeRef inode = volume_.live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
  HOLDFAST_ASSIGN(auto value, store_.Read(volume_.medium(), *slot, name));
  if (!value) return Fail(ENODATA);
  return *std::move(value);
}

Result<std::string> Xattrs::List(Ino ino) {
  const InodeRef inode = volume_.live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
  std::string names;
  HOLDFAST_TRY(store_.ForEachName(volume_.medium(), *slot, [&](std::string_view name) {
    names.append(name);
    names.push_back('\0');
  }));
  return names;
}

Result<void> Xattrs::Set(Ino ino, std::string_view name, std::string_view value, int flags,
                         bool kill_sgid) {
  HOLDFAST_TRY(volume_.CheckWritable());
  HOLDFAST_TRY(CheckName(name));
  if (value.size() > kMaxXattrValueBytes) return Fail(E2BIG);
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return Fail(EINVAL);
  const InodeRef inode = volume_.live().Get(ino);
  absl::WriterMutexLock lock(&inode->meta);
  return volume_.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, volume_.inodes().Edit(tx, ino));
    HOLDFAST_TRY(SetIn(tx, slot, name, value, flags));
    if (kill_sgid) slot->mode &= ~uint32_t{S_ISGID};
    StampTimes(tx, *inode, slot, {.ctime = Now()});
    return {};
  });
}

Result<void> Xattrs::SetIn(Transaction& tx, InodeSlot* slot, std::string_view name,
                           std::string_view value, int flags) const {
  HOLDFAST_ASSIGN(const bool exists, store_.Contains(tx, *slot, name));
  if (exists && (flags & XATTR_CREATE) != 0) return Fail(EEXIST);
  if (!exists && (flags & XATTR_REPLACE) != 0) return Fail(ENODATA);
  if (!exists) HOLDFAST_TRY(CheckListRoom(tx, *slot, name));
  if (name == kAccessAclName) return AclStore(store_).SetAccess(tx, slot, value);
  if (name == kDefaultAclName) return AclStore(store_).SetDefault(tx, slot, value);
  if (name.starts_with(kUserPrefix) && !S_ISREG(slot->mode) && !S_ISDIR(slot->mode)) {
    return Fail(EPERM);
  }
  return store_.Write(tx, slot, name, value);
}

Result<void> Xattrs::CheckListRoom(Transaction& tx, const InodeSlot& slot,
                                   std::string_view name) const {
  size_t bytes = name.size() + 1;
  HOLDFAST_TRY(
      store_.ForEachName(tx, slot, [&](std::string_view other) { bytes += other.size() + 1; }));
  if (bytes > kMaxXattrListBytes) return Fail(ENOSPC);
  return {};
}

Result<void> Xattrs::Remove(Ino ino, std::string_view name) {
  HOLDFAST_TRY(volume_.CheckWritable());
  HOLDFAST_TRY(CheckName(name));
  const InodeRef inode = volume_.live().Get(ino);
  absl::WriterMutexLock lock(&inode->meta);
  return volume_.transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, volume_.inodes().Edit(tx, ino));
    HOLDFAST_ASSIGN(const bool was_there, store_.Erase(tx, slot, name));
    if (!was_there) return Fail(ENODATA);
    if (name == kAccessAclName) slot->flags &= ~kInodeHasAcl;
    StampTimes(tx, *inode, slot, {.ctime = Now()});
    return {};
  });
}

}  // namespace holdfast::fsmeta
