// SPDX-License-Identifier: Apache-2.0
// Making and ending libfuse sessions.
#include "daemon/session.h"

#include <fuse_lowlevel.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "daemon/operations.h"
#include "fmt/format.h"

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

#ifdef HOLDFAST_HAVE_FUSE_CUSTOM_IO
ssize_t WriteToSocket(int fd, iovec* pieces, int count, void* /*userdata*/) {
  return writev(fd, pieces, count);
}
ssize_t ReadFromSocket(int fd, void* buffer, size_t size, void* /*userdata*/) {
  return read(fd, buffer, size);
}
#endif

Result<void> Attach(fuse_session* session, const FileDescriptor& channel, Session::Channel kind) {
  if (kind == Session::Channel::kSocket) {
#ifdef HOLDFAST_HAVE_FUSE_CUSTOM_IO
    fuse_custom_io io{};
    io.writev = WriteToSocket;
    io.read = ReadFromSocket;
#if FUSE_USE_VERSION >= 317
    const int taken = fuse_session_custom_io(session, &io, sizeof(io), channel.get());
#else
    const int taken = fuse_session_custom_io(session, &io, channel.get());
#endif
    if (taken == 0) return {};
#endif
    return Fail(EOPNOTSUPP, "this libfuse was built without custom I/O");
  }
  // libfuse takes an already mounted channel by this name.
  const std::string path = fmt::format("/dev/fd/{}", channel.get());
  if (fuse_session_mount(session, path.c_str()) != 0) {
    return Fail(EBADF, "libfuse does not take the FUSE channel");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Create(Service& service, FileDescriptor channel,
                                                 Channel kind) {
  std::string program = "holdfastd";
  char* argv[] = {program.data()};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  const absl::Cleanup free_args = [&args] { fuse_opt_free_args(&args); };
  const fuse_lowlevel_ops operations = AllOperations();

  std::unique_ptr<Session> session(new Session);
  session->session_ = fuse_session_new(&args, &operations, sizeof(operations), &service);
  if (session->session_ == nullptr) return Fail(EINVAL, "libfuse cannot make a session");
  HOLDFAST_TRY(Attach(session->session_, channel, kind));
  // From here on libfuse owns the descriptor and closes it with the session.
  channel.Release();
  service.set_invalidate_file([fuse = session->session_](daxcore::Ino ino) {
    // ENOENT: the kernel keeps nothing of it.
    fuse_lowlevel_notify_inval_inode(fuse, ino.value(), 0, 0);
  });
  session->loop_ = std::make_unique<DeviceLoop>(session->session_, ThreadCount(service.options()));
  return session;
}

void Session::Start(std::function<void()> ended) { loop_->Start(std::move(ended)); }

void Session::Stop() {
  if (loop_ != nullptr) loop_->Stop();
}

Session::~Session() {
  Stop();
  if (session_ != nullptr) fuse_session_destroy(session_);
}

}  // namespace holdfast::daemon
