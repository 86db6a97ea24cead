// SPDX-License-Identifier: Apache-2.0
// holdfast: the tool for files, mounts and regions.
#pragma once

#include <functional>
#include <ostream>

#include "tools/command.h"

namespace holdfast::tools {

/// What the chosen subcommand does. Results go to the stream.
using Action = std::function<daxcore::Result<void>(std::ostream&)>;

/// 0, 1 for failure, 2 for usage.
int HoldfastMain(const Arguments& arguments, const Streams& streams);

// Each adds its subcommands to `app`; parsing sets `chosen` to the one that was called. `chosen`
// outlives the parsing.

/// allocate, punch, zero, collapse, insert, unshare
void AddRangeCommands(CLI::App& app, Action& chosen);
/// reflink
void AddReflinkCommand(CLI::App& app, Action& chosen);
/// extents
void AddExtentsCommand(CLI::App& app, Action& chosen);
/// info
void AddInfoCommand(CLI::App& app, Action& chosen);
/// fail inject, fail clear, fail list, fail remove
void AddFailCommand(CLI::App& app, Action& chosen);
/// owner
void AddOwnerCommand(CLI::App& app, Action& chosen);
/// lease, pin
void AddHoldCommands(CLI::App& app, Action& chosen);
/// busy
void AddBusyCommand(CLI::App& app, Action& chosen);
/// pages
void AddPagesCommand(CLI::App& app, Action& chosen);
/// dump
void AddDumpCommand(CLI::App& app, Action& chosen);

}  // namespace holdfast::tools
