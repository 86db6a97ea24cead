// SPDX-License-Identifier: Apache-2.0
// Attributes of an inode as operations see them, who asks, and the rules for mode bits and times.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <span>

#include "daxcore/layout.h"
#include "daxcore/types.h"

namespace holdfast::fsmeta {

/// Who asks. The kernel has already checked permissions (default_permissions).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;  ///< already applied by the kernel unless the parent has a default ACL
};

/// What travels with one request through every rerun of it.
struct OpContext {
  Caller caller;
  /// Start of the wait and the interrupted flag; kept with the parked request (rules L3, L5).
  daxcore::WaitState* wait = nullptr;
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
  std::optional<uint32_t> mode;  ///< permission bits
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<uint64_t> size;
  std::optional<timespec> atime;
  std::optional<timespec> mtime;
  std::optional<timespec> ctime;
  bool kill_suid_sgid = false;  ///< FATTR_KILL_SUIDGID: drop suid and (group-executable) sgid
};

/// CLOCK_REALTIME now (coarse clock: file systems stamp with the tick's precision or better).
timespec Now();

}  // namespace holdfast::fsmeta
