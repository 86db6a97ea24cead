// SPDX-License-Identifier: Apache-2.0
// Open files as the kernel names them, and what a client keeps with one.
#pragma once

#include <fcntl.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "daxcore/types.h"

namespace holdfast::daemon {

/// A file handle as it travels through the kernel: a number and how the file was opened. It holds
/// no pointer, so that it means the same to a daemon started later.
class Handle {
 public:
  Handle() = default;
  explicit Handle(uint64_t fh) : value_(fh) {}
  Handle(uint64_t number, int open_flags)
      : value_(number << kFlagBits | static_cast<uint64_t>(open_flags & O_ACCMODE)) {}

  uint64_t value() const { return value_; }
  bool readable() const { return AccessMode() != O_WRONLY; }
  bool writable() const { return AccessMode() == O_WRONLY || AccessMode() == O_RDWR; }

 private:
  static constexpr int kFlagBits = 8;
  int AccessMode() const { return static_cast<int>(value_ & O_ACCMODE); }
  uint64_t value_ = 0;
};

/// Proof that its bearer may read an open file (HOLDFAST_IOC_SHARE).
using ShareToken = std::array<uint8_t, 16>;

/// Numbers handles and keeps share tokens until their handle is closed. Thread-safe; lost in a
/// crash, as the ioctls' contract allows (ESTALE).
class HandleTable {
 public:
  HandleTable();

  /// A handle for a file that is just being opened; unique over daemon restarts, too.
  Handle New(int open_flags);
  /// The handle is closed: its tokens are void.
  void Close(Handle handle);

  /// A token for `ino`, open as `handle`. The same one each time. EIO without random numbers.
  daxcore::Result<ShareToken> Share(Handle handle, daxcore::Ino ino);
  /// The inode a token stands for.
  std::optional<daxcore::Ino> FindShared(const ShareToken& token) const;

 private:
  struct Shared {
    uint64_t handle;
    daxcore::Ino ino;
  };
  std::atomic<uint64_t> next_;
  std::atomic<size_t> shared_count_{0};  // so that Close costs nothing in the usual case
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<ShareToken, Shared> shared_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, ShareToken> token_of_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::daemon
