// SPDX-License-Identifier: Apache-2.0
// Processes, told apart from later ones that got the same pid.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "daxcore/result.h"

namespace holdfast::daxcore {

/// One process of this boot. Goes to the medium as two numbers.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_time = 0;  ///< clock ticks after boot, /proc/PID/stat field 22

  bool operator==(const ProcessId&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const ProcessId& p) {
    return H::combine(std::move(h), p.pid, p.start_time);
  }
};

/// The process that has `pid` now. ESRCH if there is none.
Result<ProcessId> Identify(pid_t pid);

/// The process that a thread belongs to: FUSE names callers by their thread. ESRCH.
Result<ProcessId> IdentifyOwnerOf(pid_t thread);

/// Is `thread` one of the threads of process `pid`? One system call.
bool HasThread(pid_t pid, pid_t thread);

/// False once the process has ended (a zombie has), or if its pid is another process by now.
bool IsAlive(const ProcessId& process);

/// The command name of a process, empty if it is gone.
std::string CommandOf(pid_t pid);

}  // namespace holdfast::daxcore
