// SPDX-License-Identifier: Apache-2.0
// The command line of holdfastd.
#pragma once

#include <optional>
#include <string>

#include "daemon/options.h"

namespace holdfast::daemon {

/// What to mount where, and how.
struct CommandLine {
  std::string region;      ///< absolute
  std::string mountpoint;  ///< absolute, symlinks resolved
  bool foreground = false;
  Options options;
};

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// A command line, or the status to exit with at once (0 after --help and --version); what had to
/// be said was printed.
struct ParsedCommandLine {
  std::optional<CommandLine> command;
  int exit_status = 0;
};
ParsedCommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace holdfast::daemon
