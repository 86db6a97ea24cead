// SPDX-License-Identifier: Apache-2.0
// Attributes of an inode as operations see them, who asks, and the rules for mode bits and times.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <span>

#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::daxcore {
class BreakAttempt;
}

namespace holdfast::fsmeta {

/// Who asks. The kernel has already checked permissions (default_permissions).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  /// Applied by whatever makes an inode, unless the parent has a default ACL. Harmless where the
  /// kernel applied it already.
  mode_t umask = 0;
};

/// What travels with one request through every rerun of it.
struct OpContext {
  Caller caller;
  /// What the request remembers over its reruns (rules L3, L5); kept with the parked request. Null:
  /// the operation must not wait, where it would have to it fails with EAGAIN.
  daxcore::BreakAttempt* attempt = nullptr;
};

struct Attributes {
  daxcore::Ino ino;
  uint32_t generation = 0;
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;    ///< bytes
  uint64_t blocks = 0;  ///< 512-byte units, as st_blocks
  timespec atime{};
  timespec mtime{};
  timespec ctime{};
  timespec btime{};

  struct stat ToStat() const;
};

/// A request to change attributes; what is not set stays.
struct AttributeChange {
  std::optional<uint32_t> mode = std::nullopt;  ///< permission bits
  std::optional<uid_t> uid = std::nullopt;
  std::optional<gid_t> gid = std::nullopt;
  std::optional<uint64_t> size = std::nullopt;
  std::optional<timespec> atime = std::nullopt;
  std::optional<timespec> mtime = std::nullopt;
  std::optional<timespec> ctime = std::nullopt;
  bool kill_suid_sgid = false;  ///< FATTR_KILL_SUIDGID: drop suid and (group-executable) sgid
};

/// What the slot says; lazy times come on top (lazy_times.h).
Attributes AttributesOf(const InodeSlot& slot);

/// Most links of a file, and of a directory's name, `.` and subdirectories together (EMLINK).
inline constexpr uint32_t kMaxLinks = 0x7fffffff;

/// CLOCK_REALTIME now (coarse clock: file systems stamp with the tick's precision or better).
timespec Now();

}  // namespace holdfast::fsmeta
