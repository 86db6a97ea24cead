// SPDX-License-Identifier: Apache-2.0
// A libfuse session over one channel to the kernel, and the threads that serve it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "daemon/device_loop.h"
#include "daemon/file_descriptor.h"
#include "daemon/ring_transport.h"
#include "daemon/service.h"
#include "daxcore/result.h"

struct fuse_session;

namespace holdfast::daemon {

/// Owns the libfuse session and its threads. Start, Stop and the destructor belong to one thread.
/// Survives nothing; what another daemon would need to take the channel over is in the kernel (node
/// ids, handles) and in Service::features.
class Session {
 public:
  enum class Channel : uint8_t {
    kDevice,  ///< an opened and mounted /dev/fuse
    kSocket,  ///< a sequenced-packet socket with a kernel of a test behind it
  };
  /// `service` outlives the session.
  static daxcore::Result<std::unique_ptr<Session>> Create(Service& service, FileDescriptor channel,
                                                          Channel kind);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Waits until it is known how requests come, which Service::over_io_uring then says. An error if
  /// the options demand io_uring and it cannot be had.
  daxcore::Result<void> SettleTransport(absl::Duration timeout);
  /// Begins to serve. `ended` runs once, on one of the threads, when the filesystem was unmounted
  /// or the channel broke.
  void Start(std::function<void()> ended);
  /// Takes no more requests and waits for those that run. Idempotent.
  void Stop();

 private:
  explicit Session(Service& service) : service_(service) {}
  daxcore::Result<void> Attach(int channel, Channel kind);

  Service& service_;
  fuse_session* session_ = nullptr;
  std::unique_ptr<RingTransport> rings_;  // null: all requests come through the channel
  std::unique_ptr<DeviceLoop> loop_;
};

}  // namespace holdfast::daemon
