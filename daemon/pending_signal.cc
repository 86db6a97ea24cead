// SPDX-License-Identifier: Apache-2.0
// The signal masks in /proc.
#include "daemon/pending_signal.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "daemon/text_file.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

// The mask in the line that begins with `name`; empty if there is none.
uint64_t Mask(std::string_view status, std::string_view name) {
  const size_t line = status.find(name);
  if (line == std::string_view::npos) return 0;
  std::string_view text = status.substr(line + name.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  uint64_t mask = 0;
  std::from_chars(text.data(), text.data() + text.size(), mask, 16);
  return mask;
}

}  // namespace

bool ShowsPendingSignal(std::string_view status) {
  const uint64_t pending = Mask(status, "\nSigPnd:") | Mask(status, "\nShdPnd:");
  return (pending & ~Mask(status, "\nSigBlk:")) != 0;
}

bool HasPendingSignal(pid_t thread) {
  if (thread == 0) return false;
  const auto status = ReadTextFile(fmt::format("/proc/{}/status", thread));
  return status && ShowsPendingSignal(*status);
}

}  // namespace holdfast::daemon
