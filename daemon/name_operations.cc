// SPDX-License-Identifier: Apache-2.0
// Names: look up, make, link, rename, remove.
#include <string_view>

#include "daemon/call.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Result;
using std::string_view;

// `.` and `..` are asked for by number, when a file handle of an NFS export is decoded.
Result<Entry> Find(Call& call, string_view name) {
  if (name == ".") return As<Entry>(call.filesystem().AddLookup(call.ino()));
  if (name == "..") {
    HOLDFAST_ASSIGN(const Ino above, call.filesystem().ParentOf(call.ino()));
    return As<Entry>(call.filesystem().AddLookup(above));
  }
  return As<Entry>(call.filesystem().Lookup(call.ino(), name));
}

void OnLookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Call call(request, Op::kLookup, Ino(parent));
  auto found = Find(call, name);
  if (found || found.error().code != ENOENT) return call.Finish(std::move(found));
  call.Finish(Result<NoEntry>(NoEntry{}));
}

void OnForget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups) {
  ServiceOf(request).filesystem().Forget(Ino(ino), lookups);
  fuse_reply_none(request);
}

void OnForgetMany(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  for (const fuse_forget_data& forget : std::span(forgets, count)) {
    ServiceOf(request).filesystem().Forget(Ino(forget.ino), forget.nlookup);
  }
  fuse_reply_none(request);
}

Result<Entry> MakeNode(Call& call, string_view name, mode_t mode, dev_t rdev) {
  return As<Entry>(call.filesystem().MakeNode(call.context(), call.ino(), name, mode, rdev));
}

void OnMknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  Serve(request, Op::kMknod, Ino(parent), MakeNode, string_view(name), mode, rdev);
}

Result<Entry> MakeDirectory(Call& call, string_view name, mode_t mode) {
  return As<Entry>(call.filesystem().MakeDirectory(call.context(), call.ino(), name, mode));
}

void OnMkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  Serve(request, Op::kMkdir, Ino(parent), MakeDirectory, string_view(name), mode);
}

Result<Entry> MakeSymlink(Call& call, string_view name, string_view target) {
  return As<Entry>(call.filesystem().MakeSymlink(call.context(), call.ino(), name, target));
}

void OnSymlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  Serve(request, Op::kSymlink, Ino(parent), MakeSymlink, string_view(name), string_view(target));
}

Result<LinkTarget> ReadSymlink(Call& call) {
  return As<LinkTarget>(call.filesystem().ReadSymlink(call.ino()));
}

void OnReadlink(fuse_req_t request, fuse_ino_t ino) {
  Serve(request, Op::kReadlink, Ino(ino), ReadSymlink);
}

Result<Entry> Link(Call& call, Ino parent, string_view name) {
  return As<Entry>(call.filesystem().Link(call.context(), call.ino(), parent, name));
}

void OnLink(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  Serve(request, Op::kLink, Ino(ino), Link, Ino(parent), string_view(name));
}

Result<void> Unlink(Call& call, string_view name) {
  return call.filesystem().Unlink(call.context(), call.ino(), name);
}

void OnUnlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Serve(request, Op::kUnlink, Ino(parent), Unlink, string_view(name));
}

Result<void> RemoveDirectory(Call& call, string_view name) {
  return call.filesystem().RemoveDirectory(call.context(), call.ino(), name);
}

void OnRmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Serve(request, Op::kRmdir, Ino(parent), RemoveDirectory, string_view(name));
}

Result<void> Rename(Call& call, string_view name, Ino new_parent, string_view new_name,
                    unsigned flags) {
  return call.filesystem().Rename(call.context(), call.ino(), name, new_parent, new_name, flags);
}

void OnRename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags) {
  Serve(request, Op::kRename, Ino(parent), Rename, string_view(name), Ino(new_parent),
        string_view(new_name), flags);
}

}  // namespace

void AddNameOperations(fuse_lowlevel_ops& operations) {
  operations.lookup = OnLookup;
  operations.forget = OnForget;
  operations.forget_multi = OnForgetMany;
  operations.mknod = OnMknod;
  operations.mkdir = OnMkdir;
  operations.symlink = OnSymlink;
  operations.readlink = OnReadlink;
  operations.link = OnLink;
  operations.unlink = OnUnlink;
  operations.rmdir = OnRmdir;
  operations.rename = OnRename;
}

}  // namespace holdfast::daemon
