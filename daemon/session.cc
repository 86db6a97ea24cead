// SPDX-License-Identifier: Apache-2.0
// Making and ending libfuse sessions.
#include "daemon/session.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "daemon/operations.h"
#include "fmt/format.h"
#include "spdlog/spdlog.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;

constexpr size_t kFewestThreads = 4;
constexpr size_t kMostThreads = 16;

size_t ThreadCount(const Options& options) {
  if (options.threads != 0) return options.threads;
  return std::clamp<size_t>(2 * size_t{std::thread::hardware_concurrency()}, kFewestThreads,
                            kMostThreads);
}

// Does what /dev/fuse does with an answer it cannot read all of: the request has failed.
ssize_t WriteToSocket(int fd, iovec* pieces, int count, void* /*userdata*/) {
  const ssize_t written = writev(fd, pieces, count);
  if (written >= 0 || errno != EFAULT) return written;
  fuse_out_header header;
  std::memcpy(&header, pieces[0].iov_base, sizeof(header));
  header.len = sizeof(header);
  header.error = -EIO;
  (void)!write(fd, &header, sizeof(header));
  errno = EFAULT;
  return -1;
}
ssize_t ReadFromSocket(int fd, void* buffer, size_t size, void* /*userdata*/) {
  return read(fd, buffer, size);
}

RingTransport& RingsOf(void* userdata) { return *static_cast<Service*>(userdata)->rings(); }
ssize_t SendByRings(int /*fd*/, iovec* pieces, int count, void* userdata) {
  return RingsOf(userdata).Send({pieces, static_cast<size_t>(count)});
}
ssize_t ReceiveByRings(int /*fd*/, void* buffer, size_t size, void* userdata) {
  return RingsOf(userdata).Receive(buffer, size);
}

using Write = ssize_t (*)(int, iovec*, int, void*);
using Read = ssize_t (*)(int, void*, size_t, void*);

std::unexpected<daxcore::Error> NoRings(const daxcore::Error& why) {
  return Fail(why.code, "transport=io_uring is not to be had: " + why.Text());
}

// Makes libfuse read and write by these functions.
Result<void> TakeOverIo(fuse_session* session, int channel, Write write, Read read) {
#ifdef HOLDFAST_HAVE_FUSE_CUSTOM_IO
  fuse_custom_io io{};
  io.writev = write;
  io.read = read;
#if FUSE_USE_VERSION >= 317
  const int taken = fuse_session_custom_io(session, &io, sizeof(io), channel);
#else
  const int taken = fuse_session_custom_io(session, &io, channel);
#endif
  if (taken == 0) return {};
#else
  (void)session, (void)channel, (void)write, (void)read;
#endif
  return Fail(EOPNOTSUPP, "this libfuse was built without custom I/O");
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Create(Service& service, FileDescriptor channel,
                                                 Channel kind) {
  std::string program = "holdfastd";
  char* argv[] = {program.data()};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  const absl::Cleanup free_args = [&args] { fuse_opt_free_args(&args); };
  const fuse_lowlevel_ops operations = AllOperations();

  std::unique_ptr<Session> session(new Session(service));
  session->session_ = fuse_session_new(&args, &operations, sizeof(operations), &service);
  if (session->session_ == nullptr) return Fail(EINVAL, "libfuse cannot make a session");
  HOLDFAST_TRY(session->Attach(channel.get(), kind));
  // From here on libfuse owns the descriptor and closes it with the session.
  channel.Release();
  service.set_invalidate_file([fuse = session->session_](daxcore::Ino ino) {
    // ENOENT: the kernel keeps nothing of it.
    fuse_lowlevel_notify_inval_inode(fuse, ino.value(), 0, 0);
  });
  service.set_store_in_kernel(
      [fuse = session->session_](daxcore::Ino ino, uint64_t offset, std::byte byte) {
        fuse_bufvec buffer{};
        buffer.count = 1;
        buffer.buf[0].size = 1;
        buffer.buf[0].mem = &byte;
        fuse_lowlevel_notify_store(fuse, ino.value(), static_cast<off_t>(offset), &buffer,
                                   FUSE_BUF_NO_SPLICE);
      });
  session->loop_ = std::make_unique<DeviceLoop>(session->session_, ThreadCount(service.options()));
  return session;
}

Result<void> Session::Attach(int channel, Channel kind) {
  if (kind == Channel::kSocket) {
    return TakeOverIo(session_, channel, WriteToSocket, ReadFromSocket);
  }
  const Options& options = service_.options();
  if (options.transport != TransportChoice::kFuse) {
    rings_ = std::make_unique<RingTransport>(channel, options.queue_depth,
                                             [fuse = session_](std::span<std::byte> message) {
                                               fuse_buf buffer{};
                                               buffer.mem = message.data();
                                               buffer.size = message.size();
                                               fuse_session_process_buf(fuse, &buffer);
                                             });
    service_.set_rings(rings_.get());
    auto taken = TakeOverIo(session_, channel, SendByRings, ReceiveByRings);
    if (taken) return {};
    rings_.reset();
    service_.set_rings(nullptr);
    if (options.transport == TransportChoice::kIoUring) return NoRings(taken.error());
  }
  // libfuse takes an already mounted channel by this name.
  const std::string path = fmt::format("/dev/fd/{}", channel);
  if (fuse_session_mount(session_, path.c_str()) != 0) {
    return Fail(EBADF, "libfuse does not take the FUSE channel");
  }
  return {};
}

Result<void> Session::SettleTransport(absl::Duration timeout) {
  if (rings_ == nullptr) return {};
  auto settled = rings_->WaitUntilSettled(timeout);
  if (!settled && service_.options().transport == TransportChoice::kIoUring) {
    return NoRings(settled.error());
  }
  service_.set_over_io_uring(settled.has_value());
  spdlog::info("requests come over {}",
               settled ? std::string("io_uring") : "/dev/fuse: " + settled.error().Text());
  return {};
}

void Session::Start(std::function<void()> ended) { loop_->Start(std::move(ended)); }

void Session::Stop() {
  if (loop_ != nullptr) loop_->Stop();
  if (rings_ != nullptr) rings_->Stop();
}

Session::~Session() {
  Stop();
  if (session_ != nullptr) fuse_session_destroy(session_);
}

}  // namespace holdfast::daemon
