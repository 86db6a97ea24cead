// SPDX-License-Identifier: Apache-2.0
// What every tool does around its work: arguments, errors in one line, exit codes.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "daxcore/result.h"

namespace holdfast::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// Arguments without the program's name.
using Arguments = std::vector<std::string>;

/// Where a tool writes: results to `out`, complaints to `err`, each in one line.
struct Streams {
  std::ostream& out;
  std::ostream& err;
};

/// Gives `app` its --version and parses. Returns the exit code if the tool is to stop now: after
/// --help and --version (to `out`), or with kExitUsage after one line on `err`.
std::optional<int> Parse(CLI::App& app, Arguments arguments, const Streams& streams);

/// "NAME: the error's text", and the exit code for it.
int Complain(const Streams& streams, std::string_view name, const daxcore::Error& error);

/// kExitOk, or the complaint.
int Finish(const Streams& streams, std::string_view name, const daxcore::Result<void>& result);

/// argv as Arguments.
Arguments ArgumentsOf(int argc, char** argv);

}  // namespace holdfast::tools
