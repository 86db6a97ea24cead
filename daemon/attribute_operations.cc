// SPDX-License-Identifier: Apache-2.0
// Attributes, extended attributes and ACLs.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <string_view>

#include "daemon/call.h"
#include "daemon/caller_groups.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Result;
using fsmeta::AttributeChange;
using fsmeta::Attributes;
using std::string_view;
using Bytes = std::span<const std::byte>;

// After a shutdown everything is EIO but these: without them nobody could open the mount point any
// more and ask what happened.
Attributes RootAfterShutdown() {
  Attributes root;
  root.ino = Ino(fsmeta::kInoRoot);
  root.mode = S_IFDIR | 0755;
  root.nlink = 2;
  return root;
}

Result<Attributes> AttributesNow(const Call& call) {
  auto attributes = call.filesystem().GetAttributes(call.ino());
  const bool is_root = call.ino() == Ino(fsmeta::kInoRoot);
  if (!attributes && is_root && call.filesystem().volume().medium().is_shut_down()) {
    return RootAfterShutdown();
  }
  return attributes;
}

Result<AttributesOf> GetAttributes(Call& call) { return As<AttributesOf>(AttributesNow(call)); }

void OnGetattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*file*/) {
  Serve(request, Op::kGetattr, Ino(ino), GetAttributes);
}

#ifdef HOLDFAST_HAVE_FUSE_STATX
Result<ExtendedAttributesOf> GetExtendedAttributes(Call& call) {
  return As<ExtendedAttributesOf>(AttributesNow(call));
}

void OnStatx(fuse_req_t request, fuse_ino_t ino, int /*flags*/, int /*mask*/,
             fuse_file_info* /*file*/) {
  Serve(request, Op::kGetattr, Ino(ino), GetExtendedAttributes);
}
#endif

// FATTR_KILL_SUIDGID, which older libfuse masks out: then everybody but root loses those bits.
bool MustKillPrivileges(const Service& service, const fuse_ctx& caller, int valid) {
#ifdef FUSE_SET_ATTR_KILL_SUID
  if (service.features().kill_privileges) return (valid & FUSE_SET_ATTR_KILL_SUID) != 0;
#endif
  constexpr int kTakesThemAway = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
  return service.features().kill_privileges_v1 && caller.uid != 0 &&
         (valid & kTakesThemAway) != 0 && (valid & FUSE_SET_ATTR_MODE) == 0;
}

AttributeChange DecodeChange(const struct stat& stat, int valid) {
  AttributeChange change;
  if ((valid & FUSE_SET_ATTR_MODE) != 0) change.mode = stat.st_mode & 07777;
  if ((valid & FUSE_SET_ATTR_UID) != 0) change.uid = stat.st_uid;
  if ((valid & FUSE_SET_ATTR_GID) != 0) change.gid = stat.st_gid;
  if ((valid & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<uint64_t>(stat.st_size);
  if ((valid & FUSE_SET_ATTR_ATIME) != 0) change.atime = stat.st_atim;
  if ((valid & FUSE_SET_ATTR_MTIME) != 0) change.mtime = stat.st_mtim;
  if ((valid & FUSE_SET_ATTR_CTIME) != 0) change.ctime = stat.st_ctim;
  if ((valid & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime = fsmeta::Now();
  if ((valid & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime = fsmeta::Now();
  return change;
}

Result<AttributesOf> SetAttributes(Call& call, const AttributeChange& change, Handle handle) {
  return As<AttributesOf>(
      call.filesystem().SetAttributes(call.context(handle), call.ino(), change));
}

void OnSetattr(fuse_req_t request, fuse_ino_t ino, struct stat* stat, int valid,
               fuse_file_info* file) {
  AttributeChange change = DecodeChange(*stat, valid);
  change.kill_suid_sgid = MustKillPrivileges(ServiceOf(request), *fuse_req_ctx(request), valid);
  Serve(request, Op::kSetattr, Ino(ino), SetAttributes, change,
        file == nullptr ? Handle() : Handle(file->fh));
}

Result<XattrText> GetXattr(Call& call, string_view name, size_t room) {
  HOLDFAST_ASSIGN(std::string value, call.filesystem().GetXattr(call.ino(), name));
  return XattrText{std::move(value), room};
}

void OnGetxattr(fuse_req_t request, fuse_ino_t ino, const char* name, size_t room) {
  Serve(request, Op::kGetxattr, Ino(ino), GetXattr, string_view(name), room);
}

// Setting an access ACL drops the setgid bit where the caller is neither in the file's group nor
// may set such bits; libfuse does not hand on what the kernel found out about that.
Result<bool> AclKillsSetgid(Call& call, string_view name) {
  if (name != "system.posix_acl_access") return false;
  HOLDFAST_ASSIGN(const Attributes attributes, call.filesystem().GetAttributes(call.ino()));
  if ((attributes.mode & S_ISGID) == 0 || !S_ISREG(attributes.mode)) return false;
  const fuse_ctx* caller = fuse_req_ctx(call.request());
  return caller->gid != attributes.gid && !InGroupOrMaySetgid(caller->pid, attributes.gid);
}

Result<void> SetXattr(Call& call, string_view name, Bytes value, int flags) {
  HOLDFAST_ASSIGN(const bool kill_setgid, AclKillsSetgid(call, name));
  const string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  return call.filesystem().SetXattr(call.context(), call.ino(), name, text, flags, kill_setgid);
}

void OnSetxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value,
                size_t size, int flags) {
  Serve(request, Op::kSetxattr, Ino(ino), SetXattr, string_view(name),
        std::as_bytes(std::span(value, size)), flags);
}

Result<void> RemoveXattr(Call& call, string_view name) {
  return call.filesystem().RemoveXattr(call.context(), call.ino(), name);
}

void OnRemovexattr(fuse_req_t request, fuse_ino_t ino, const char* name) {
  Serve(request, Op::kRemovexattr, Ino(ino), RemoveXattr, string_view(name));
}

Result<XattrText> ListXattr(Call& call, size_t room) {
  HOLDFAST_ASSIGN(std::string names, call.filesystem().ListXattr(call.ino()));
  return XattrText{std::move(names), room};
}

void OnListxattr(fuse_req_t request, fuse_ino_t ino, size_t room) {
  Serve(request, Op::kListxattr, Ino(ino), ListXattr, room);
}

}  // namespace

void AddAttributeOperations(fuse_lowlevel_ops& operations) {
  operations.getattr = OnGetattr;
  operations.setattr = OnSetattr;
#ifdef HOLDFAST_HAVE_FUSE_STATX
  operations.statx = OnStatx;
#endif
  operations.getxattr = OnGetxattr;
  operations.setxattr = OnSetxattr;
  operations.removexattr = OnRemovexattr;
  operations.listxattr = OnListxattr;
}

}  // namespace holdfast::daemon
