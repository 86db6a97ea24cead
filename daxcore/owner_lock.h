// SPDX-License-Identifier: Apache-2.0
// The exclusive owner of a region's file, and the name of whoever holds it (rule O1).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "daxcore/result.h"

namespace holdfast::daxcore {

/// A process, named so that a person can find it.
struct ProcessName {
  pid_t pid = 0;
  std::string command;
};

/// Whoever holds a lock on the file behind `fd`: who took it, or, where that process is gone, one
/// that inherited it. Nothing where /proc does not tell (another pid namespace).
std::optional<ProcessName> FindOwner(int fd);

/// Locks the open file behind `fd` (flock: the lock dies with the last copy of the descriptor, so a
/// killed owner leaves nothing). Waits up to `wait` for an owner that is going away, then fails
/// with EBUSY and a line that names it and `path`. Blocks the calling thread: not for worker
/// threads.
Result<void> LockFile(int fd, const std::string& path, bool exclusive,
                      std::chrono::milliseconds wait);

}  // namespace holdfast::daxcore
