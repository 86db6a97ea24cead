// SPDX-License-Identifier: Apache-2.0
// Requests out, replies in.
#include "tests/support/fake_kernel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast::tests {
namespace {

constexpr int kPatienceMs = 30000;
constexpr size_t kLargestReply = size_t{2} << 20;

void Must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fake kernel: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

}  // namespace

FakeKernel::FakeKernel() : buffer_(std::make_unique_for_overwrite<std::byte[]>(kLargestReply)) {
  int ends[2];
  Must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  kernel_end_ = ends[0];
  daemon_end_ = ends[1];
}

FakeKernel::~FakeKernel() {
  Close();
  if (daemon_end_ >= 0) close(daemon_end_);
}

int FakeKernel::TakeDaemonEnd() { return std::exchange(daemon_end_, -1); }

void FakeKernel::Close() {
  if (kernel_end_ >= 0) close(std::exchange(kernel_end_, -1));
}

fuse_init_out FakeKernel::Init(uint64_t flags, uint32_t minor) {
  fuse_init_in in{};
  in.major = FUSE_KERNEL_VERSION;
  in.minor = minor;
  in.max_readahead = 128 << 10;
  in.flags = static_cast<uint32_t>(flags) | FUSE_INIT_EXT;
  in.flags2 = static_cast<uint32_t>(flags >> 32);
  return Call(FUSE_INIT, 0, {BytesOf(in)}).As<fuse_init_out>();
}

uint64_t FakeKernel::Send(uint32_t opcode, uint64_t node,
                          std::initializer_list<std::string_view> parts) {
  fuse_in_header header{};
  header.len = sizeof(header);
  for (const std::string_view part : parts) header.len += static_cast<uint32_t>(part.size());
  header.opcode = opcode;
  header.unique = last_request_ += 2;  // odd ones are interrupts
  header.nodeid = node;
  header.uid = caller_.uid;
  header.gid = caller_.gid;
  header.pid = caller_.pid;
  std::string bytes(BytesOf(header));
  for (const std::string_view part : parts) bytes += part;
  SendRaw(bytes);
  return header.unique;
}

void FakeKernel::SendRaw(std::string_view bytes) {
  const ssize_t sent = send(kernel_end_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  Must(sent == static_cast<ssize_t>(bytes.size()), "send");
}

uint64_t FakeKernel::Interrupt(uint64_t request) {
  const fuse_interrupt_in in{request};
  return Send(FUSE_INTERRUPT, 0, {BytesOf(in)});
}

void FakeKernel::Forget(uint64_t node, uint64_t lookups) {
  const fuse_forget_in in{lookups};
  Send(FUSE_FORGET, node, {BytesOf(in)});
}

bool FakeKernel::Readable(int milliseconds) const {
  pollfd poller{kernel_end_, POLLIN, 0};
  int ready;
  do {
    ready = poll(&poller, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void FakeKernel::Receive() {
  const ssize_t got = read(kernel_end_, buffer_.get(), kLargestReply);
  fuse_out_header header{};
  Must(got >= static_cast<ssize_t>(sizeof(header)), "the daemon left, or sent no whole header");
  std::memcpy(&header, buffer_.get(), sizeof(header));
  Must(header.len == static_cast<size_t>(got), "a reply lies about its length");
  if (header.unique == 0) {
    notifications_.push_back(header.error);
    return;
  }
  FuseReply reply{-header.error, {}};
  reply.body.assign(&buffer_[sizeof(header)], &buffer_[0] + got);
  Must(replies_.emplace(header.unique, std::move(reply)).second, "a request was answered twice");
}

FuseReply FakeKernel::Wait(uint64_t request) {
  while (!replies_.contains(request)) {
    Must(Readable(kPatienceMs), "no reply");
    Receive();
  }
  return std::move(replies_.extract(request).mapped());
}

bool FakeKernel::HasReply(uint64_t request) {
  while (Readable(0)) Receive();
  return replies_.contains(request);
}

FuseReply FakeKernel::Lookup(uint64_t parent, std::string_view name) {
  return Call(FUSE_LOOKUP, parent, {Terminated(name)});
}

FuseReply FakeKernel::Create(uint64_t parent, std::string_view name, uint32_t mode) {
  fuse_create_in in{};
  in.flags = O_RDWR;
  in.mode = S_IFREG | mode;
  return Call(FUSE_CREATE, parent, {BytesOf(in), Terminated(name)});
}

FuseReply FakeKernel::MakeDirectory(uint64_t parent, std::string_view name, uint32_t mode) {
  fuse_mkdir_in in{};
  in.mode = mode;
  return Call(FUSE_MKDIR, parent, {BytesOf(in), Terminated(name)});
}

FuseReply FakeKernel::Unlink(uint64_t parent, std::string_view name) {
  return Call(FUSE_UNLINK, parent, {Terminated(name)});
}

FuseReply FakeKernel::Attributes(uint64_t node) {
  const fuse_getattr_in in{};
  return Call(FUSE_GETATTR, node, {BytesOf(in)});
}

FuseReply FakeKernel::Open(uint64_t node, uint32_t flags) {
  fuse_open_in in{};
  in.flags = flags;
  return Call(FUSE_OPEN, node, {BytesOf(in)});
}

FuseReply FakeKernel::Release(uint64_t node, uint64_t handle) {
  fuse_release_in in{};
  in.fh = handle;
  return Call(FUSE_RELEASE, node, {BytesOf(in)});
}

FuseReply FakeKernel::Read(uint64_t node, uint64_t handle, uint64_t offset, uint32_t length) {
  fuse_read_in in{};
  in.fh = handle;
  in.offset = offset;
  in.size = length;
  return Call(FUSE_READ, node, {BytesOf(in)});
}

FuseReply FakeKernel::Write(uint64_t node, uint64_t handle, uint64_t offset,
                            std::string_view data) {
  fuse_write_in in{};
  in.fh = handle;
  in.offset = offset;
  in.size = static_cast<uint32_t>(data.size());
  return Call(FUSE_WRITE, node, {BytesOf(in), data});
}

FuseReply FakeKernel::Ioctl(uint64_t node, uint64_t handle, uint32_t command,
                            std::string_view argument) {
  return Wait(SendIoctl(node, handle, command, argument));
}

uint64_t FakeKernel::SendIoctl(uint64_t node, uint64_t handle, uint32_t command,
                               std::string_view argument) {
  fuse_ioctl_in in{};
  in.fh = handle;
  in.cmd = command;
  in.in_size = (_IOC_DIR(command) & _IOC_WRITE) != 0 ? static_cast<uint32_t>(argument.size()) : 0;
  in.out_size = (_IOC_DIR(command) & _IOC_READ) != 0 ? _IOC_SIZE(command) : 0;
  return Send(FUSE_IOCTL, node, {BytesOf(in), argument});
}

uint64_t FakeKernel::SendTruncate(uint64_t node, uint64_t size) {
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  in.size = size;
  return Send(FUSE_SETATTR, node, {BytesOf(in)});
}

}  // namespace holdfast::tests
