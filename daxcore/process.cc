// SPDX-License-Identifier: Apache-2.0
// /proc/PID, read.
#include "daxcore/process.h"

#include <signal.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace holdfast::daxcore {
namespace {

struct Stat {
  char state;
  uint64_t threads;
  uint64_t start_time;
};

// The command, field 2, may hold spaces and parentheses: fields are counted from its last ')'.
std::optional<Stat> ReadStat(pid_t pid) {
  constexpr size_t kState = 0, kThreads = 17, kStartTime = 19;  // of the fields after the command
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(file, text);
  const size_t command_end = text.rfind(')');
  if (command_end == std::string::npos || command_end + 2 > text.size()) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(command_end + 2), ' ', absl::SkipEmpty());
  Stat stat{};
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kThreads], &stat.threads) ||
      !absl::SimpleAtoi(fields[kStartTime], &stat.start_time)) {
    return std::nullopt;
  }
  stat.state = fields[kState][0];
  return stat;
}

}  // namespace

Result<ProcessId> Identify(pid_t pid) {
  const auto stat = ReadStat(pid);
  if (!stat) return Fail(ESRCH);
  return ProcessId{pid, stat->start_time};
}

Result<ProcessId> IdentifyOwnerOf(pid_t thread) {
  constexpr std::string_view kKey = "Tgid:";
  std::ifstream file(absl::StrCat("/proc/", thread, "/status"));
  pid_t pid = 0;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kKey)) continue;
    if (!absl::SimpleAtoi(line.substr(kKey.size()), &pid)) return Fail(ESRCH);
    return Identify(pid);
  }
  return Fail(ESRCH);
}

bool HasThread(pid_t pid, pid_t thread) {
  // Signal 0 is never delivered; EPERM too says that there is such a thread.
  return pid == thread || tgkill(pid, thread, 0) == 0 || errno == EPERM;
}

bool IsAlive(const ProcessId& process) {
  const auto stat = ReadStat(process.pid);
  if (!stat || stat->start_time != process.start_time || stat->state == 'X') return false;
  // The main thread may have ended before the others.
  return stat->state != 'Z' || stat->threads > 1;
}

std::string CommandOf(pid_t pid) {
  std::ifstream comm(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  std::getline(comm, name);
  return name;
}

}  // namespace holdfast::daxcore
