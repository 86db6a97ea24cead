// SPDX-License-Identifier: Apache-2.0
// The kernel's side of the FUSE protocol over a socket pair, so that a daemon is tested without a
// mount.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::tests {

/// A reply: an errno (0: done) and what followed the header.
struct FuseReply {
  int error = 0;
  std::vector<std::byte> body;

  /// The struct at `offset` of the body; zeroes where the body is too short.
  template <typename T>
  T As(size_t offset = 0) const {
    T out{};
    if (body.size() >= offset + sizeof(T)) std::memcpy(&out, body.data() + offset, sizeof(T));
    return out;
  }
  std::string Text() const { return {reinterpret_cast<const char*>(body.data()), body.size()}; }
};

/// Owns the kernel's end of the channel and the identity that requests are made with. One thread.
/// A reply that does not come within half a minute aborts the test program: nothing else could be
/// said of a daemon that hangs.
class FakeKernel {
 public:
  /// Who asks.
  struct Caller {
    uint32_t uid = 0;
    uint32_t gid = 0;
    uint32_t pid = 0;
  };

  FakeKernel();
  ~FakeKernel();
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  /// The daemon's end, once; the caller closes it.
  int TakeDaemonEnd();
  void set_caller(const Caller& caller) { caller_ = caller; }
  /// As an unmount or the end of the kernel: the daemon reads the end of the channel.
  void Close();

  /// The INIT of a kernel that offers `flags` (FUSE_..., both words); what the daemon chose.
  fuse_init_out Init(uint64_t flags, uint32_t minor = FUSE_KERNEL_MINOR_VERSION);

  /// Sends a request; its arguments follow each other in `parts`. Returns its number.
  uint64_t Send(uint32_t opcode, uint64_t node, std::initializer_list<std::string_view> parts = {});
  /// Sends bytes as they are.
  void SendRaw(std::string_view bytes);
  /// INTERRUPT of a request. The daemon answers it only if it does not know the request (yet).
  uint64_t Interrupt(uint64_t request);
  /// FORGET, which is not answered.
  void Forget(uint64_t node, uint64_t lookups);

  /// The reply to a request; notifications and replies to others that come first are kept.
  FuseReply Wait(uint64_t request);
  /// Send and Wait.
  FuseReply Call(uint32_t opcode, uint64_t node,
                 std::initializer_list<std::string_view> parts = {}) {
    return Wait(Send(opcode, node, parts));
  }
  /// Has the reply to `request` come? Does not wait.
  bool HasReply(uint64_t request);
  /// Codes (FUSE_NOTIFY_...) of the notifications that were read so far.
  const std::vector<int>& notifications() const { return notifications_; }

  // --- Requests in one line --------------------------------------------------------------------

  FuseReply Lookup(uint64_t parent, std::string_view name);
  FuseReply Create(uint64_t parent, std::string_view name, uint32_t mode = 0644);
  FuseReply MakeDirectory(uint64_t parent, std::string_view name, uint32_t mode = 0755);
  FuseReply Unlink(uint64_t parent, std::string_view name);
  FuseReply Attributes(uint64_t node);
  FuseReply Open(uint64_t node, uint32_t flags);
  FuseReply Release(uint64_t node, uint64_t handle);
  FuseReply Read(uint64_t node, uint64_t handle, uint64_t offset, uint32_t length);
  FuseReply Write(uint64_t node, uint64_t handle, uint64_t offset, std::string_view data);
  FuseReply Ioctl(uint64_t node, uint64_t handle, uint32_t command, std::string_view argument);
  /// The same, not waiting for the reply.
  uint64_t SendIoctl(uint64_t node, uint64_t handle, uint32_t command, std::string_view argument);
  /// Changes the size, not waiting for the reply.
  uint64_t SendTruncate(uint64_t node, uint64_t size);

 private:
  void Receive();
  bool Readable(int milliseconds) const;

  int kernel_end_ = -1;
  int daemon_end_ = -1;
  uint64_t last_request_ = 0;
  Caller caller_;
  const std::unique_ptr<std::byte[]> buffer_;  // for what is received
  std::map<uint64_t, FuseReply> replies_;
  std::vector<int> notifications_;
};

/// The bytes of a struct, as a part of a request.
template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// A string with its end, as names travel. The argument outlives it.
inline std::string Terminated(std::string_view name) { return std::string(name) + '\0'; }

}  // namespace holdfast::tests
