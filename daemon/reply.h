// SPDX-License-Identifier: Apache-2.0
// Results of the filesystem as FUSE replies: one overload of Reply for each kind of answer.
#pragma once

#include <fuse_lowlevel.h>
#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/service.h"
#include "daxcore/types.h"
#include "fsmeta/attributes.h"
#include "fsmeta/filesystem.h"

namespace holdfast::daemon {

using daxcore::Ino;

/// Names and attributes change through this kernel only, and what changes otherwise is invalidated:
/// it may believe what it was told for as long as it likes.
inline constexpr double kForever = 86400.0;

/// Succeeded, nothing to say.
struct Done {};
/// The operation has sent its reply itself.
struct Replied {};
/// A child, with one lookup that the kernel will forget later.
struct Entry {
  fsmeta::Attributes attributes;
};
/// There is no such child; the kernel may remember that.
struct NoEntry {};
/// A child that was made and opened, with a lookup and an open handle.
struct Created {
  fsmeta::Attributes attributes;
  fuse_file_info file;
};
struct Opened {
  Ino ino;
  fuse_file_info file;
};
struct AttributesOf {
  fsmeta::Attributes attributes;
};
struct ExtendedAttributesOf {
  fsmeta::Attributes attributes;
};
struct BytesMoved {
  uint64_t count;
};
struct Position {
  uint64_t offset;
};
struct LinkTarget {
  std::string path;
};
/// An extended attribute, or the list of them; `room` is what the caller has room for, 0 = asks for
/// the size only.
struct XattrText {
  std::string text;
  size_t room;
};
/// Answer of an ioctl: `out` is copied to the caller.
struct IoctlAnswer {
  std::vector<std::byte> out;
};
/// An ioctl changed a file in ways that the kernel does not know of.
struct FileChanged {
  Ino ino;
  bool has_new_end = false;  ///< it may have become longer, and its last byte is the ioctl's
};
/// Directory entries, with the inodes that each got a lookup by this.
struct Listing {
  std::vector<char> bytes;
  std::vector<Ino> looked_up;
};

/// The result as another kind of answer, made from the value.
template <typename Answer, typename Value>
daxcore::Result<Answer> As(daxcore::Result<Value>&& result) {
  if (!result) return std::unexpected(std::move(result).error());
  return Answer{*std::move(result)};
}

/// Sends file data straight from the region and ends the request. An EIO reaches the reader if the
/// memory has failed.
void ReplyWithData(Service& service, fuse_req_t request, std::span<const iovec> pieces);

/// Each sends one reply and ends the request. Where the kernel does not take it any more (the
/// request was aborted), what the reply would have handed over is taken back.
void Reply(Service& service, fuse_req_t request, const Done& done);
void Reply(Service& service, fuse_req_t request, const Replied& replied);
void Reply(Service& service, fuse_req_t request, const Entry& entry);
void Reply(Service& service, fuse_req_t request, const NoEntry& none);
void Reply(Service& service, fuse_req_t request, const Created& created);
void Reply(Service& service, fuse_req_t request, const Opened& opened);
void Reply(Service& service, fuse_req_t request, const AttributesOf& attributes);
void Reply(Service& service, fuse_req_t request, const ExtendedAttributesOf& attributes);
void Reply(Service& service, fuse_req_t request, const BytesMoved& moved);
void Reply(Service& service, fuse_req_t request, const Position& position);
void Reply(Service& service, fuse_req_t request, const LinkTarget& target);
void Reply(Service& service, fuse_req_t request, const XattrText& xattr);
void Reply(Service& service, fuse_req_t request, const IoctlAnswer& answer);
void Reply(Service& service, fuse_req_t request, const FileChanged& changed);
void Reply(Service& service, fuse_req_t request, const Listing& listing);
void Reply(Service& service, fuse_req_t request, const fsmeta::StatFs& stat);

}  // namespace holdfast::daemon
