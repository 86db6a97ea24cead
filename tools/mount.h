// SPDX-License-Identifier: Apache-2.0
// mount.holdfast: what mount(8) calls for `mount -t holdfast` and for fstab.
#pragma once

#include <functional>

#include "tools/command.h"

namespace holdfast::tools {

/// Replaces the process by the program; returns only on failure, with errno set.
using ExecProgram = std::function<void(const std::string& program, const Arguments& arguments)>;

/// Turns mount(8)'s call into one of holdfastd, which knows every option. Returns only if nothing
/// was to be started: 0 (--help, -f), 1 for failure, 2 for usage.
int MountMain(const Arguments& arguments, const Streams& streams, const ExecProgram& exec);

/// The daemon that belongs to this program: beside it, else by PATH.
std::string FindDaemon();

/// execvp(3).
void Exec(const std::string& program, const Arguments& arguments);

}  // namespace holdfast::tools
