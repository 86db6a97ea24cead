// SPDX-License-Identifier: Apache-2.0
// The table of ioctls (client/include/holdfast/ioctl.h), and those that change ranges and share
// blocks.
#include <linux/falloc.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "client/include/holdfast/ioctl.h"
#include "daemon/failure_operations.h"
#include "daemon/ioctl_request.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;
using Bytes = std::span<const std::byte>;

// With a write-back cache the kernel believes nobody about the size of a file: operations that
// change it without the kernel are refused.
Result<void> CheckSizeMayChange(const Call& call) {
  if (!call.service().features().writeback_cache) return {};
  return Fail(EOPNOTSUPP);
}

// Where in the destination a reflink ends, of a source of so many bytes.
uint64_t EndOf(const holdfast_reflink& link, uint64_t source_size) {
  const uint64_t rest = source_size - std::min(source_size, link.source_offset);
  return link.destination_offset + (link.length != 0 ? link.length : rest);
}

Result<void> CheckSizeMayChange(const Call& call, const holdfast_reflink& link, Ino source) {
  if (!call.service().features().writeback_cache) return {};
  HOLDFAST_ASSIGN(const auto from, call.filesystem().GetAttributes(source));
  HOLDFAST_ASSIGN(const auto to, call.filesystem().GetAttributes(call.ino()));
  if (EndOf(link, from.size) <= to.size) return {};
  return Fail(EOPNOTSUPP);
}

// COLLAPSE, INSERT, UNSHARE.
template <int kMode>
Result<FileChanged> ChangeRange(Call& call, Handle handle, const holdfast_range& range) {
  HOLDFAST_TRY(CheckFlags(range.flags, 0));
  HOLDFAST_TRY(CheckRange(range.offset, range.length));
  if (!handle.writable()) return Fail(EBADF);
  if (kMode != FALLOC_FL_UNSHARE_RANGE) HOLDFAST_TRY(CheckSizeMayChange(call));
  HOLDFAST_TRY(call.filesystem().Allocate(call.context(handle), call.ino(), kMode, range.offset,
                                          range.length));
  return FileChanged{call.ino(), kMode == FALLOC_FL_INSERT_RANGE};
}

template <int kMode>
void OnChangeRange(const IoctlRequest& ioctl) {
  const auto range = Decode<holdfast_range>(ioctl);
  if (range) ServeChange(ioctl, std::nullopt, *range, ChangeRange<kMode>);
}

void Share(const IoctlRequest& ioctl) {
  ServeStruct<holdfast_share>(
      ioctl, [](Call& call, Handle handle, const holdfast_share& share) -> Result<IoctlAnswer> {
        HOLDFAST_TRY(CheckFlags(share.flags, 0));
        if (!handle.readable()) return Fail(EBADF);
        HOLDFAST_ASSIGN(const ShareToken token, call.service().handles().Share(handle, call.ino()));
        holdfast_share out = share;
        std::memcpy(out.token, token.data(), token.size());
        return Answer(out);
      });
}

ShareToken TokenOf(const holdfast_reflink& link) {
  ShareToken token;
  std::memcpy(token.data(), link.token, token.size());
  return token;
}

Result<FileChanged> Reflink(Call& call, Handle handle, const holdfast_reflink& link) {
  HOLDFAST_TRY(CheckFlags(link.flags, 0));
  if (!handle.writable()) return Fail(EBADF);
  const auto source = call.service().handles().FindShared(TokenOf(link));
  if (!source) return Fail(ESTALE);
  if (link.source_offset > kLargestOffset || link.destination_offset > kLargestOffset ||
      link.length > kLargestOffset - std::max(link.source_offset, link.destination_offset)) {
    return Fail(EINVAL);
  }
  HOLDFAST_TRY(CheckSizeMayChange(call, link, *source));
  HOLDFAST_ASSIGN(const auto before, call.filesystem().GetAttributes(call.ino()));
  HOLDFAST_TRY(call.filesystem().Reflink(call.context(handle), *source, link.source_offset,
                                         call.ino(), link.destination_offset, link.length));
  const auto from = call.filesystem().GetAttributes(*source);
  const auto to = call.filesystem().GetAttributes(call.ino());
  return FileChanged{call.ino(),
                     from && to && to->size > before.size && EndOf(link, from->size) == to->size};
}

void OnReflink(const IoctlRequest& ioctl) {
  const auto link = Decode<holdfast_reflink>(ioctl);
  if (!link) return;
  const auto source = ServiceOf(ioctl.request).handles().FindShared(TokenOf(*link));
  ServeChange(ioctl, source, *link, Reflink);
}

struct Command {
  unsigned number;
  void (*serve)(const IoctlRequest& ioctl);
};

constexpr Command kCommands[] = {
    {HOLDFAST_IOC_COLLAPSE, OnChangeRange<FALLOC_FL_COLLAPSE_RANGE>},
    {HOLDFAST_IOC_INSERT, OnChangeRange<FALLOC_FL_INSERT_RANGE>},
    {HOLDFAST_IOC_UNSHARE, OnChangeRange<FALLOC_FL_UNSHARE_RANGE>},
    {HOLDFAST_IOC_SHARE, Share},
    {HOLDFAST_IOC_REFLINK, OnReflink},
    {HOLDFAST_IOC_LAYOUT, OnLayout},
    {HOLDFAST_IOC_LEASE, OnLease},
    {HOLDFAST_IOC_RETURN, OnReturn},
    {HOLDFAST_IOC_PIN, OnPin},
    {HOLDFAST_IOC_UNPIN, OnUnpin},
    {HOLDFAST_IOC_EVENTS, OnEvents},
    {HOLDFAST_IOC_QUERY, OnQuery},
    {HOLDFAST_IOC_FAIL,
     [](const IoctlRequest& ioctl) { ServeStruct<holdfast_fail>(ioctl, FailByHand); }},
};

// `flags` need no look: the structs are the same for 32-bit programs (FUSE_IOCTL_COMPAT), and only
// CUSE gets unrestricted ioctls.
void Ioctl(fuse_req_t request, fuse_ino_t ino, unsigned number, void* /*arg*/, fuse_file_info* file,
           unsigned /*flags*/, const void* in, size_t in_size, size_t /*out_size*/) {
  const auto* command = std::ranges::find(kCommands, number, &Command::number);
  if (command == std::end(kCommands)) {
    // One of ours with an argument of another size is a newer or an older program's.
    const bool ours = std::ranges::any_of(kCommands, [number](const Command& known) {
      return _IOC_TYPE(number) == HOLDFAST_IOC_MAGIC && _IOC_NR(number) == _IOC_NR(known.number);
    });
    fuse_reply_err(request, ours ? EINVAL : ENOTTY);
    return;
  }
  command->serve(
      {request, Ino(ino), Handle(file->fh), Bytes(static_cast<const std::byte*>(in), in_size)});
}

}  // namespace

void AddIoctlOperations(fuse_lowlevel_ops& operations) { operations.ioctl = Ioctl; }

}  // namespace holdfast::daemon
