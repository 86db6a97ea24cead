// SPDX-License-Identifier: Apache-2.0
// The ioctls of client/include/holdfast/ioctl.h: size and range checks, then the operation.
#include <linux/falloc.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "client/include/holdfast/ioctl.h"
#include "daemon/call.h"
#include "daemon/failure_operations.h"
#include "daemon/failure_report.h"
#include "daemon/info.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;
using fsmeta::LayoutPiece;
using Bytes = std::span<const std::byte>;

constexpr uint64_t kFileEnd = uint64_t{1} << 60;

// An ioctl on its way: who it came through, and its argument, which the answer goes back in.
struct IoctlRequest {
  fuse_req_t request;
  Ino ino;
  Handle handle;
  Bytes argument;
};

template <typename T>
Result<IoctlAnswer> Answer(const T& argument) {
  const auto bytes = std::as_bytes(std::span(&argument, 1));
  return IoctlAnswer{{bytes.begin(), bytes.end()}};
}

// A non-empty range that neither overflows nor passes the largest offset.
Result<void> CheckRange(uint64_t offset, uint64_t length) {
  if (length == 0 || offset > kFileEnd || length > kFileEnd - offset) return Fail(EINVAL);
  return {};
}

Result<void> CheckFlags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) != 0) return Fail(EOPNOTSUPP);
  return {};
}

// Decodes a struct that begins with its own size. The request is answered if it does not fit.
template <typename T>
std::optional<T> Decode(const IoctlRequest& ioctl) {
  static_assert(std::is_trivially_copyable_v<T>);
  T argument;
  uint32_t said = 0;
  if (ioctl.argument.size() == sizeof(T)) {
    std::memcpy(&argument, ioctl.argument.data(), sizeof(T));
    std::memcpy(&said, ioctl.argument.data(), sizeof(said));
  }
  if (said == sizeof(T)) return argument;
  fuse_reply_err(ioctl.request, EINVAL);
  return std::nullopt;
}

// Serves it with `work(call, handle, argument)`.
template <typename T, typename Work>
void ServeStruct(const IoctlRequest& ioctl, Work work) {
  const auto argument = Decode<T>(ioctl);
  if (argument) Serve(ioctl.request, Op::kIoctl, ioctl.ino, work, ioctl.handle, *argument);
}

// Serves what changes a file behind the kernel's back: what the kernel keeps of the files concerned
// is written back before and forgotten after.
template <typename T, typename Work>
void ServeChange(const IoctlRequest& ioctl, std::optional<Ino> other, const T& argument,
                 Work work) {
  Service& service = ServiceOf(ioctl.request);
  service.notifiers().Post([&service, request = ioctl.request, ino = ioctl.ino, other,
                            handle = ioctl.handle, argument, work] {
    service.InvalidateInKernel(ino);
    if (other && *other != ino) service.InvalidateInKernel(*other);
    Serve(request, Op::kIoctl, ino, work, handle, argument);
  });
}

// With a write-back cache the kernel believes nobody about the size of a file: operations that
// change it without the kernel are refused.
Result<void> CheckSizeMayChange(const Call& call) {
  if (!call.service().features().writeback_cache) return {};
  return Fail(EOPNOTSUPP);
}

Result<void> CheckSizeMayChange(const Call& call, const holdfast_reflink& link, Ino source) {
  if (!call.service().features().writeback_cache) return {};
  HOLDFAST_ASSIGN(const auto from, call.filesystem().GetAttributes(source));
  HOLDFAST_ASSIGN(const auto to, call.filesystem().GetAttributes(call.ino()));
  const uint64_t length =
      link.length != 0 ? link.length : from.size - std::min(from.size, link.source_offset);
  if (link.destination_offset + length <= to.size) return {};
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
  return FileChanged{call.ino()};
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
  if (link.source_offset > kFileEnd || link.destination_offset > kFileEnd ||
      link.length > kFileEnd - std::max(link.source_offset, link.destination_offset)) {
    return Fail(EINVAL);
  }
  HOLDFAST_TRY(CheckSizeMayChange(call, link, *source));
  HOLDFAST_TRY(call.filesystem().Reflink(call.context(handle), *source, link.source_offset,
                                         call.ino(), link.destination_offset, link.length));
  return FileChanged{call.ino()};
}

void OnReflink(const IoctlRequest& ioctl) {
  const auto link = Decode<holdfast_reflink>(ioctl);
  if (!link) return;
  const auto source = ServiceOf(ioctl.request).handles().FindShared(TokenOf(*link));
  ServeChange(ioctl, source, *link, Reflink);
}

uint32_t StateOf(LayoutPiece::State state) {
  switch (state) {
    case LayoutPiece::State::kHole:
      return HOLDFAST_HOLE;
    case LayoutPiece::State::kUnwritten:
      return HOLDFAST_UNWRITTEN;
    case LayoutPiece::State::kWritten:
      return HOLDFAST_WRITTEN;
    case LayoutPiece::State::kShared:
      return HOLDFAST_SHARED;
  }
  return HOLDFAST_HOLE;
}

void ShowLayout(const IoctlRequest& ioctl) {
  ServeStruct<holdfast_layout>(
      ioctl, [](Call& call, Handle /*handle*/, const holdfast_layout& in) -> Result<IoctlAnswer> {
        HOLDFAST_TRY(CheckFlags(in.flags, 0));
        const uint64_t length =
            in.length == 0 ? kFileEnd - std::min(in.offset, kFileEnd) : in.length;
        HOLDFAST_TRY(CheckRange(in.offset, length));
        HOLDFAST_ASSIGN(const auto pieces, call.filesystem().Layout(call.ino(), in.offset, length,
                                                                    HOLDFAST_LAYOUT_MAX));
        holdfast_layout out = in;
        out.count = static_cast<uint32_t>(pieces.size());
        out.next =
            pieces.empty() ? in.offset + length : pieces.back().file_offset + pieces.back().length;
        for (size_t i = 0; i < pieces.size(); ++i) {
          out.extents[i] = {pieces[i].file_offset, pieces[i].region_offset, pieces[i].length,
                            StateOf(pieces[i].state), 0};
        }
        return Answer(out);
      });
}

Result<nlohmann::json> QueryAnswer(Call& call, const holdfast_query& query) {
  const bool is_root = fuse_req_ctx(call.request())->uid == 0;
  switch (query.what) {
    case HOLDFAST_QUERY_INFO:
      return InfoOf(call.service());
    case HOLDFAST_QUERY_OWNERS:
      if (!is_root) return Fail(EPERM);
      return OwnersOf(call.filesystem(), query.offset, query.length);
    case HOLDFAST_QUERY_FAILURES:
      if (!is_root) return Fail(EPERM);
      return FailuresOf(call.filesystem());
    case HOLDFAST_QUERY_BUSY:
      if (!is_root) return Fail(EPERM);
      [[fallthrough]];
    default:
      return Fail(EOPNOTSUPP);
  }
}

void Query(const IoctlRequest& ioctl) {
  ServeStruct<holdfast_query>(
      ioctl, [](Call& call, Handle /*handle*/, const holdfast_query& query) -> Result<IoctlAnswer> {
        const uid_t owner = fuse_req_ctx(call.request())->uid;
        Snapshots& snapshots = call.service().snapshots();
        Snapshots::Page page;
        if (query.cursor == 0) {
          HOLDFAST_ASSIGN(const auto answer, QueryAnswer(call, query));
          page = snapshots.First(answer.dump(), owner, sizeof(query.text));
        } else {
          auto next = snapshots.Next(query.cursor, owner, sizeof(query.text));
          if (!next) return Fail(ESTALE);
          page = *std::move(next);
        }
        holdfast_query out = query;
        out.cursor = page.next;
        out.count = static_cast<uint32_t>(page.text.size());
        std::memcpy(out.text, page.text.data(), page.text.size());
        return Answer(out);
      });
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
    {HOLDFAST_IOC_LAYOUT, ShowLayout},
    {HOLDFAST_IOC_QUERY, Query},
    {HOLDFAST_IOC_FAIL,
     [](const IoctlRequest& ioctl) { ServeStruct<holdfast_fail>(ioctl, FailByHand); }},
};

// `flags` need no look: the structs are the same for 32-bit programs (FUSE_IOCTL_COMPAT), and only
// CUSE gets unrestricted ioctls.
void Ioctl(fuse_req_t request, fuse_ino_t ino, unsigned number, void* /*arg*/, fuse_file_info* file,
           unsigned /*flags*/, const void* in, size_t in_size, size_t /*out_size*/) {
  const auto* command = std::ranges::find(kCommands, number, &Command::number);
  if (command == std::end(kCommands)) {
    fuse_reply_err(request, ENOTTY);
    return;
  }
  command->serve(
      {request, Ino(ino), Handle(file->fh), Bytes(static_cast<const std::byte*>(in), in_size)});
}

}  // namespace

void AddIoctlOperations(fuse_lowlevel_ops& operations) { operations.ioctl = Ioctl; }

}  // namespace holdfast::daemon
