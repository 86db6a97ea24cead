// SPDX-License-Identifier: Apache-2.0
// Ioctls on a file of 16 KiB, sent as the kernel sends them.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "client/include/holdfast/ioctl.h"
#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {

/// A zeroed argument that says its size.
template <typename T>
T Sized() {
  T argument{};
  argument.size = sizeof(T);
  return argument;
}

/// The caller is this process, so that it can hold leases and pins.
class IoctlFixture : public FakeMount {
 protected:
  static constexpr uint64_t kBytes = 16384;

  explicit IoctlFixture(Options options = {})
      : FakeMount(std::move(options)), file_(MakeFile("f", std::string(kBytes, 'x'))) {
    kernel().set_caller({.pid = static_cast<uint32_t>(getpid())});
  }

  template <typename T>
  tests::FuseReply Ask(const OpenFile& file, unsigned long command, const T& argument) {
    return kernel().Ioctl(file.node, file.handle, static_cast<uint32_t>(command),
                          tests::BytesOf(argument));
  }
  /// What the ioctl put back into its argument.
  template <typename T>
  static T Out(const tests::FuseReply& reply) {
    return reply.As<T>(sizeof(fuse_ioctl_out));
  }
  /// The file of the fixture once more.
  OpenFile OpenAgain(int flags) {
    const auto opened = kernel().Open(file_.node, static_cast<uint32_t>(flags));
    EXPECT_EQ(opened.error, 0);
    return {file_.node, opened.As<fuse_open_out>().fh};
  }

  const OpenFile file_;
};

}  // namespace holdfast::daemon
