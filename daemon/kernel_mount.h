// SPDX-License-Identifier: Apache-2.0
// The kernel's side of a mount: made with mount(2) as root, with fusermount3 as anybody else.
#pragma once

#include <memory>
#include <string>

#include "daemon/file_descriptor.h"
#include "daemon/options.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// What is mounted where.
struct MountPlace {
  std::string region;      ///< shown as the mount's source
  std::string mountpoint;  ///< absolute
};

/// Owns one FUSE mount and, until it is taken, its channel. Belongs to one thread. A crash of the
/// daemon leaves the mount behind, answering ENOTCONN, until somebody unmounts it.
class KernelMount {
 public:
  /// Errors, with a message: no /dev/fuse, no such directory, not permitted, ...
  static daxcore::Result<std::unique_ptr<KernelMount>> Make(const MountPlace& place,
                                                            const Options& options);
  /// Changes the flags of an existing mount (remount,ro and the like).
  static daxcore::Result<void> Change(const MountPlace& place, const Options& options);

  /// Unmounts if that was not done.
  ~KernelMount();
  KernelMount(const KernelMount&) = delete;
  KernelMount& operator=(const KernelMount&) = delete;

  /// The FUSE channel, for the session.
  FileDescriptor TakeChannel() { return std::move(channel_); }
  /// Unmounts unless somebody uses the mount. True if it is gone.
  bool TryUnmount();
  /// Takes the mount away also from who uses it: what they ask from now on fails. Does nothing if
  /// it is gone already, or something else is mounted there by now.
  void Cut();

 private:
  KernelMount(MountPlace place, FileDescriptor channel);
  bool IsThere() const;

  MountPlace place_;
  FileDescriptor channel_;
  std::string device_;  // major:minor of the mount, "" if it cannot be told
};

}  // namespace holdfast::daemon
