// SPDX-License-Identifier: Apache-2.0
// Open files: create, open, read, write, allocate, copy, seek, sync.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <string_view>

#include "daemon/call.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Result;
using fsmeta::Attributes;
using std::string_view;
using Bytes = std::span<const std::byte>;

// Does the kernel ask for suid and sgid to go? Older libfuse cannot hand that on; then everybody
// but root loses them.
bool KillsPrivileges(fuse_req_t request, const fuse_file_info& file) {
#ifdef HOLDFAST_HAVE_FUSE_KILL_SUIDGID
  if (ServiceOf(request).features().kill_privileges) return file.kill_suidgid != 0;
#endif
  (void)file;
  return ServiceOf(request).features().kill_privileges_v1 && fuse_req_ctx(request)->uid != 0;
}

// What the kernel is told of a freshly opened file.
fuse_file_info Describe(Service& service, int open_flags) {
  const Features& features = service.features();
  fuse_file_info file{};
  file.fh = service.handles().New(open_flags).value();
  file.direct_io = features.direct_io ? 1 : 0;
  file.keep_cache = features.direct_io ? 0 : 1;
#ifdef HOLDFAST_HAVE_FUSE_PARALLEL_DIRECT_WRITES
  file.parallel_direct_writes = features.parallel_direct_writes ? 1 : 0;
#endif
#ifdef HOLDFAST_HAVE_FUSE_NOFLUSH
  file.noflush = features.noflush ? 1 : 0;
#endif
  return file;
}

// The handle that CREATE and TMPFILE hand out together with the new inode.
Result<Created> OpenMade(Call& call, const Attributes& made, int open_flags) {
  if (auto opened = call.filesystem().Open(made.ino); !opened) {
    call.filesystem().Forget(made.ino, 1);
    return std::unexpected(std::move(opened).error());
  }
  return Created{made, Describe(call.service(), open_flags)};
}

Result<Created> MakeAndOpen(Call& call, string_view name, mode_t mode, int open_flags) {
  HOLDFAST_ASSIGN(const Attributes made,
                  call.filesystem().MakeNode(call.context(), call.ino(), name, mode, 0));
  return OpenMade(call, made, open_flags);
}

void OnCreate(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
              fuse_file_info* file) {
  Serve(request, Op::kCreate, Ino(parent), MakeAndOpen, string_view(name), mode, file->flags);
}

#ifdef HOLDFAST_HAVE_FUSE_TMPFILE
Result<Created> MakeTemporaryAndOpen(Call& call, mode_t mode, int open_flags) {
  HOLDFAST_ASSIGN(const Attributes made,
                  call.filesystem().MakeTemporary(call.context(), call.ino(), mode));
  return OpenMade(call, made, open_flags);
}

void OnTmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* file) {
  Serve(request, Op::kTmpfile, Ino(parent), MakeTemporaryAndOpen, mode, file->flags);
}
#endif

// Truncation comes first: it may have to wait (L7), and then nothing must have happened.
Result<Opened> Open(Call& call, int open_flags, bool kill_privileges) {
  if ((open_flags & O_TRUNC) != 0) {
    fsmeta::AttributeChange truncate;
    truncate.size = 0;
    truncate.kill_suid_sgid = kill_privileges;
    HOLDFAST_TRY(call.filesystem().SetAttributes(call.context(), call.ino(), truncate));
  }
  HOLDFAST_TRY(call.filesystem().Open(call.ino()));
  return Opened{call.ino(), Describe(call.service(), open_flags)};
}

void OnOpen(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) {
  Serve(request, Op::kOpen, Ino(ino), Open, file->flags, KillsPrivileges(request, *file));
}

Result<void> Release(Call& call, Handle handle) {
  call.service().direct().Close(handle);
  call.service().handles().Close(handle);
  call.filesystem().Release(call.ino());
  return {};
}

void OnRelease(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) {
  Serve(request, Op::kRelease, Ino(ino), Release, Handle(file->fh));
}

// Asked for only by kernels or libfuse versions without FOPEN_NOFLUSH, and then once.
void OnFlush(fuse_req_t request, fuse_ino_t /*ino*/, fuse_file_info* /*file*/) {
  fuse_reply_err(request, ENOSYS);
}

Result<Replied> Read(Call& call, uint64_t offset, uint64_t length) {
  HOLDFAST_TRY(
      call.filesystem().Read(call.ino(), offset, length, [&call](std::span<const iovec> pieces) {
        ReplyWithData(call.service(), call.request(), pieces);
      }));
  return Replied{};
}

void OnRead(fuse_req_t request, fuse_ino_t ino, size_t length, off_t offset,
            fuse_file_info* /*file*/) {
  Serve(request, Op::kRead, Ino(ino), Read, static_cast<uint64_t>(offset), uint64_t{length});
}

BytesMoved CountWritten(Call& call, uint64_t count) {
  call.service().metrics().bytes_written.fetch_add(count, std::memory_order_relaxed);
  return BytesMoved{count};
}

Result<BytesMoved> Write(Call& call, uint64_t offset, Bytes data, bool kill_privileges,
                         Handle handle) {
  HOLDFAST_ASSIGN(const uint64_t count, call.filesystem().Write(call.context(handle), call.ino(),
                                                                offset, data, kill_privileges));
  return CountWritten(call, count);
}

// Pages of a shared mapping. The size of a file is ours, except with a write-back cache: what the
// kernel knows of it may be older than a truncation that overtook these pages.
Result<BytesMoved> WriteBack(Call& call, uint64_t offset, Bytes data, Handle handle) {
  auto& filesystem = call.filesystem();
  const auto& op = call.context(handle);
  HOLDFAST_ASSIGN(const uint64_t count,
                  call.service().features().writeback_cache
                      ? filesystem.Write(op, call.ino(), offset, data, /*kill_suid_sgid=*/false)
                      : filesystem.WriteBack(op, call.ino(), offset, data));
  return CountWritten(call, count);
}

// What the page cache writes back later was stripped of privileges when it was written.
void OnWrite(fuse_req_t request, fuse_ino_t ino, const char* data, size_t length, off_t offset,
             fuse_file_info* file) {
  const Bytes bytes = std::as_bytes(std::span(data, length));
  const auto at = static_cast<uint64_t>(offset);
  if (file->writepage != 0) {
    Serve(request, Op::kWrite, Ino(ino), WriteBack, at, bytes, Handle(file->fh));
  } else {
    Serve(request, Op::kWrite, Ino(ino), Write, at, bytes, KillsPrivileges(request, *file),
          Handle(file->fh));
  }
}

Result<void> Allocate(Call& call, int mode, uint64_t offset, uint64_t length, Handle handle) {
  return call.filesystem().Allocate(call.context(handle), call.ino(), mode, offset, length);
}

void OnFallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length,
                 fuse_file_info* file) {
  Serve(request, Op::kFallocate, Ino(ino), Allocate, mode, static_cast<uint64_t>(offset),
        static_cast<uint64_t>(length), Handle(file->fh));
}

Result<BytesMoved> CopyRange(Call& call, uint64_t source_offset, Ino destination,
                             uint64_t destination_offset, uint64_t length, Handle handle) {
  return As<BytesMoved>(call.filesystem().CopyRange(call.context(handle), call.ino(), source_offset,
                                                    destination, destination_offset, length));
}

// `flags` are 0: the kernel has none yet and refuses them itself.
void OnCopyFileRange(fuse_req_t request, fuse_ino_t source, off_t source_offset,
                     fuse_file_info* /*source_file*/, fuse_ino_t destination,
                     off_t destination_offset, fuse_file_info* file, size_t length, int /*flags*/) {
  Serve(request, Op::kCopyFileRange, Ino(source), CopyRange, static_cast<uint64_t>(source_offset),
        Ino(destination), static_cast<uint64_t>(destination_offset), uint64_t{length},
        Handle(file->fh));
}

Result<Position> Seek(Call& call, uint64_t offset, int whence) {
  return As<Position>(call.filesystem().Seek(call.ino(), offset, whence));
}

// The kernel asks without writing its page cache back first: then our answer would be of the past,
// and its own (everything is data) is the right one.
void OnLseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence,
             fuse_file_info* /*file*/) {
  if (ServiceOf(request).features().writeback_cache) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  Serve(request, Op::kLseek, Ino(ino), Seek, static_cast<uint64_t>(offset), whence);
}

Result<void> Sync(Call& call, bool data_only) {
  return call.filesystem().Fsync(call.ino(), data_only);
}

void OnFsync(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info* /*file*/) {
  Serve(request, Op::kFsync, Ino(ino), Sync, data_only != 0);
}

}  // namespace

void AddFileOperations(fuse_lowlevel_ops& operations) {
  operations.create = OnCreate;
#ifdef HOLDFAST_HAVE_FUSE_TMPFILE
  operations.tmpfile = OnTmpfile;
#endif
  operations.open = OnOpen;
  operations.release = OnRelease;
  operations.flush = OnFlush;
  operations.read = OnRead;
  operations.write = OnWrite;
  operations.fallocate = OnFallocate;
  operations.copy_file_range = OnCopyFileRange;
  operations.lseek = OnLseek;
  operations.fsync = OnFsync;
}

}  // namespace holdfast::daemon
