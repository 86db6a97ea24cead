// SPDX-License-Identifier: Apache-2.0
// Reads /proc/PID/status.
#include "daemon/caller_groups.h"

#include <linux/capability.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace holdfast::daemon {
namespace {

// The line `KEY:` without the key.
std::istringstream StatusLine(pid_t pid, std::string_view key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::istringstream(line.substr(key.size()));
  }
  return {};
}

}  // namespace

bool InGroupOrMaySetgid(pid_t pid, gid_t group) {
  uint64_t capabilities = 0;
  StatusLine(pid, "CapEff:") >> std::hex >> capabilities;
  if ((capabilities >> CAP_FSETID & 1) != 0) return true;
  auto groups = StatusLine(pid, "Groups:");
  for (gid_t one = 0; groups >> one;) {
    if (one == group) return true;
  }
  return false;
}

}  // namespace holdfast::daemon
