// SPDX-License-Identifier: Apache-2.0
// The replies.
#include "daemon/reply.h"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "daxcore/media_failure.h"

namespace holdfast::daemon {
namespace {

fuse_entry_param EntryParam(const fsmeta::Attributes& attributes) {
  fuse_entry_param entry{};
  entry.ino = attributes.ino.value();
  entry.generation = attributes.generation;
  entry.attr = attributes.ToStat();
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  return entry;
}

#ifdef HOLDFAST_HAVE_FUSE_STATX
statx_timestamp StatxTime(const timespec& time) {
  return {.tv_sec = time.tv_sec, .tv_nsec = static_cast<uint32_t>(time.tv_nsec), .__reserved = 0};
}

struct statx ToStatx(const fsmeta::Attributes& a) {
  struct statx stx{};
  stx.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  stx.stx_blksize = daxcore::kBlockSize;
  stx.stx_nlink = a.nlink;
  stx.stx_uid = a.uid;
  stx.stx_gid = a.gid;
  stx.stx_mode = static_cast<uint16_t>(a.mode);
  stx.stx_ino = a.ino.value();
  stx.stx_size = a.size;
  stx.stx_blocks = a.blocks;
  stx.stx_atime = StatxTime(a.atime);
  stx.stx_btime = StatxTime(a.btime);
  stx.stx_ctime = StatxTime(a.ctime);
  stx.stx_mtime = StatxTime(a.mtime);
  stx.stx_rdev_major = major(a.rdev);
  stx.stx_rdev_minor = minor(a.rdev);
  return stx;
}
#endif

// The kernel could not read what we told it to send, and has answered EIO by itself. Which page it
// met is for us to find out, so that its owners hear of it.
void FindFailure(fsmeta::Volume& volume, std::span<const iovec> pieces) {
  const daxcore::Region& region = volume.region();
  for (const iovec& piece : pieces) {
    const auto* const start = static_cast<const std::byte*>(piece.iov_base);
    if (start < region.base() || start >= region.base() + region.size()) continue;
    (void)volume.failure().Probe(region.OffsetOf(start), piece.iov_len);
  }
}

}  // namespace

void ReplyWithData(Service& service, fuse_req_t request, std::span<const iovec> pieces) {
  uint64_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  service.metrics().bytes_read.fetch_add(bytes, std::memory_order_relaxed);
  int sent = 0;
  if (pieces.size() == 1) {
    sent = fuse_reply_buf(request, static_cast<const char*>(pieces[0].iov_base), pieces[0].iov_len);
  } else {
    sent = fuse_reply_iov(request, pieces.data(), static_cast<int>(pieces.size()));
  }
  if (sent == -EFAULT) [[unlikely]] {
    FindFailure(service.filesystem().volume(), pieces);
  }
}

void Reply(Service& /*service*/, fuse_req_t request, const Done& /*done*/) {
  fuse_reply_err(request, 0);
}

void Reply(Service& /*service*/, fuse_req_t /*request*/, const Replied& /*replied*/) {}

void Reply(Service& service, fuse_req_t request, const Entry& entry) {
  const fuse_entry_param param = EntryParam(entry.attributes);
  if (fuse_reply_entry(request, &param) != 0) {
    service.filesystem().Forget(entry.attributes.ino, 1);
  }
}

void Reply(Service& /*service*/, fuse_req_t request, const NoEntry& /*none*/) {
  fuse_entry_param entry{};
  entry.entry_timeout = kForever;
  fuse_reply_entry(request, &entry);
}

void Reply(Service& service, fuse_req_t request, const Created& created) {
  const fuse_entry_param param = EntryParam(created.attributes);
  if (fuse_reply_create(request, &param, &created.file) != 0) {
    service.filesystem().Release(created.attributes.ino);
    service.filesystem().Forget(created.attributes.ino, 1);
  }
}

void Reply(Service& service, fuse_req_t request, const Opened& opened) {
  if (fuse_reply_open(request, &opened.file) != 0) service.filesystem().Release(opened.ino);
}

void Reply(Service& /*service*/, fuse_req_t request, const AttributesOf& of) {
  const struct stat stat = of.attributes.ToStat();
  fuse_reply_attr(request, &stat, kForever);
}

void Reply(Service& /*service*/, fuse_req_t request, const ExtendedAttributesOf& of) {
#ifdef HOLDFAST_HAVE_FUSE_STATX
  struct statx stx = ToStatx(of.attributes);
  fuse_reply_statx(request, 0, &stx, kForever);
#else
  (void)of;
  fuse_reply_err(request, ENOSYS);
#endif
}

void Reply(Service& /*service*/, fuse_req_t request, const BytesMoved& moved) {
  fuse_reply_write(request, moved.count);
}

void Reply(Service& /*service*/, fuse_req_t request, const Position& position) {
  fuse_reply_lseek(request, static_cast<off_t>(position.offset));
}

void Reply(Service& /*service*/, fuse_req_t request, const LinkTarget& target) {
  fuse_reply_readlink(request, target.path.c_str());
}

void Reply(Service& /*service*/, fuse_req_t request, const XattrText& xattr) {
  if (xattr.room == 0) {
    fuse_reply_xattr(request, xattr.text.size());
  } else if (xattr.text.size() > xattr.room) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, xattr.text.data(), xattr.text.size());
  }
}

void Reply(Service& /*service*/, fuse_req_t request, const IoctlAnswer& answer) {
  fuse_reply_ioctl(request, 0, answer.out.data(), answer.out.size());
}

void Reply(Service& service, fuse_req_t request, const FileChanged& changed) {
  service.notifiers().RunOrPost([&service, request, changed] {
    if (changed.has_new_end) service.ShowNewEnd(changed.ino);
    service.InvalidateInKernel(changed.ino);
    fuse_reply_ioctl(request, 0, nullptr, 0);
  });
}

void Reply(Service& service, fuse_req_t request, const Listing& listing) {
  if (fuse_reply_buf(request, listing.bytes.data(), listing.bytes.size()) != 0) {
    for (const Ino ino : listing.looked_up) service.filesystem().Forget(ino, 1);
  }
}

void Reply(Service& /*service*/, fuse_req_t request, const fsmeta::StatFs& stat) {
  struct statvfs out{};
  out.f_bsize = daxcore::kBlockSize;
  out.f_frsize = daxcore::kBlockSize;
  out.f_blocks = stat.blocks;
  out.f_bfree = stat.free;
  out.f_bavail = stat.available;
  out.f_files = stat.inodes;
  out.f_ffree = stat.free_inodes;
  out.f_favail = stat.free_inodes;
  out.f_namemax = 255;
  fuse_reply_statfs(request, &out);
}

}  // namespace holdfast::daemon
