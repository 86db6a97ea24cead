// SPDX-License-Identifier: Apache-2.0
// The ioctls of client/include/holdfast/ioctl.h: size and range checks, then the operation.
#include <linux/falloc.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "client/include/holdfast/ioctl.h"
#include "daemon/call.h"
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
Result<IoctlAnswer> NoAnswer() { return IoctlAnswer{}; }

// A non-empty range that neither overflows nor passes the largest offset.
Result<void> CheckRange(uint64_t offset, uint64_t length) {
  if (length == 0 || offset > kFileEnd || length > kFileEnd - offset) return Fail(EINVAL);
  return {};
}

Result<void> CheckFlags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) != 0) return Fail(EOPNOTSUPP);
  return {};
}

// Decodes a struct that begins with its own size, and serves it with `work(call, handle,
// argument)`. The argument is copied, so it stays when the request is parked.
template <typename T, typename Work>
void ServeStruct(const IoctlRequest& ioctl, Work work) {
  static_assert(std::is_trivially_copyable_v<T>);
  T argument;
  uint32_t said = 0;
  if (ioctl.argument.size() != sizeof(T)) {
    fuse_reply_err(ioctl.request, EINVAL);
    return;
  }
  std::memcpy(&argument, ioctl.argument.data(), sizeof(T));
  std::memcpy(&said, ioctl.argument.data(), sizeof(said));
  if (said != sizeof(T)) {
    fuse_reply_err(ioctl.request, EINVAL);
    return;
  }
  Serve(ioctl.request, Op::kIoctl, ioctl.ino, work, ioctl.handle, argument);
}

// COLLAPSE, INSERT, UNSHARE.
template <int kMode>
void ChangeRange(const IoctlRequest& ioctl) {
  ServeStruct<holdfast_range>(
      ioctl, [](Call& call, Handle handle, const holdfast_range& range) -> Result<IoctlAnswer> {
        HOLDFAST_TRY(CheckFlags(range.flags, 0));
        HOLDFAST_TRY(CheckRange(range.offset, range.length));
        if (!handle.writable()) return Fail(EBADF);
        HOLDFAST_TRY(call.filesystem().Allocate(call.context(handle), call.ino(), kMode,
                                                range.offset, range.length));
        return NoAnswer();
      });
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

void Reflink(const IoctlRequest& ioctl) {
  ServeStruct<holdfast_reflink>(
      ioctl, [](Call& call, Handle handle, const holdfast_reflink& link) -> Result<IoctlAnswer> {
        HOLDFAST_TRY(CheckFlags(link.flags, 0));
        if (!handle.writable()) return Fail(EBADF);
        ShareToken token;
        std::memcpy(token.data(), link.token, token.size());
        const auto source = call.service().handles().FindShared(token);
        if (!source) return Fail(ESTALE);
        if (link.source_offset > kFileEnd || link.destination_offset > kFileEnd ||
            link.length > kFileEnd - std::max(link.source_offset, link.destination_offset)) {
          return Fail(EINVAL);
        }
        HOLDFAST_TRY(call.filesystem().Reflink(call.context(handle), *source, link.source_offset,
                                               call.ino(), link.destination_offset, link.length));
        return NoAnswer();
      });
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
    case HOLDFAST_QUERY_BUSY:
    case HOLDFAST_QUERY_OWNERS:
    case HOLDFAST_QUERY_FAILURES:
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
    {HOLDFAST_IOC_COLLAPSE, ChangeRange<FALLOC_FL_COLLAPSE_RANGE>},
    {HOLDFAST_IOC_INSERT, ChangeRange<FALLOC_FL_INSERT_RANGE>},
    {HOLDFAST_IOC_UNSHARE, ChangeRange<FALLOC_FL_UNSHARE_RANGE>},
    {HOLDFAST_IOC_SHARE, Share},
    {HOLDFAST_IOC_REFLINK, Reflink},
    {HOLDFAST_IOC_LAYOUT, ShowLayout},
    {HOLDFAST_IOC_QUERY, Query},
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
