// SPDX-License-Identifier: Apache-2.0
// Runs a tool in-process and keeps what it said.
#pragma once

#include <sstream>
#include <string>

#include "tools/command.h"

namespace holdfast::tests {

/// What a run of a tool came to.
struct ToolRun {
  int code;
  std::string out;
  std::string err;
};

/// Runs `tool` (MkfsMain, ...) with `arguments`.
template <typename Tool>
ToolRun RunTool(Tool&& tool, const tools::Arguments& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = tool(arguments, tools::Streams{out, err});
  return {code, out.str(), err.str()};
}

}  // namespace holdfast::tests
