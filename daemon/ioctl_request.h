// SPDX-License-Identifier: Apache-2.0
// An ioctl from the kernel to the operation: its argument checked and decoded, the answer encoded.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "daemon/call.h"

namespace holdfast::daemon {

/// An ioctl on its way: who it came through, and its argument, which the answer goes back in.
struct IoctlRequest {
  fuse_req_t request;
  Ino ino;
  Handle handle;
  std::span<const std::byte> argument;
};

/// No file reaches further.
inline constexpr uint64_t kLargestOffset = uint64_t{1} << 60;

/// EINVAL unless it is a non-empty range that neither overflows nor passes the largest offset.
inline daxcore::Result<void> CheckRange(uint64_t offset, uint64_t length) {
  if (length == 0 || offset > kLargestOffset || length > kLargestOffset - offset) {
    return daxcore::Fail(EINVAL);
  }
  return {};
}

/// EOPNOTSUPP for flags that are not `known`.
inline daxcore::Result<void> CheckFlags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) != 0) return daxcore::Fail(EOPNOTSUPP);
  return {};
}

template <typename T>
daxcore::Result<IoctlAnswer> Answer(const T& argument) {
  const auto bytes = std::as_bytes(std::span(&argument, 1));
  return IoctlAnswer{{bytes.begin(), bytes.end()}};
}

/// Decodes a struct that begins with its own size. The request is answered if it does not fit.
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

/// Serves it with `work(call, handle, argument)`.
template <typename T, typename Work>
void ServeStruct(const IoctlRequest& ioctl, Work work) {
  const auto argument = Decode<T>(ioctl);
  if (argument) Serve(ioctl.request, Op::kIoctl, ioctl.ino, work, ioctl.handle, *argument);
}

/// Serves what changes a file behind the kernel's back: what the kernel keeps of the files
/// concerned is written back before; that it is forgotten after is for the answer to see to.
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

// Each answers, or parks, its request.

void OnLayout(const IoctlRequest& ioctl);
void OnLease(const IoctlRequest& ioctl);
void OnReturn(const IoctlRequest& ioctl);
void OnPin(const IoctlRequest& ioctl);
void OnUnpin(const IoctlRequest& ioctl);
void OnEvents(const IoctlRequest& ioctl);
void OnQuery(const IoctlRequest& ioctl);

}  // namespace holdfast::daemon
