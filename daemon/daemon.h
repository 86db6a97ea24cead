// SPDX-License-Identifier: Apache-2.0
// The life of the daemon: open, mount, serve, unmount.
#pragma once

#include "daemon/command_line.h"

namespace holdfast::daemon {

/// Mounts as the command line says, and serves until the filesystem is unmounted or SIGTERM or
/// SIGINT comes. In the background the calling process exits when the mount is ready. The status is
/// 0, or 1 when something failed, which was said on stderr.
int RunDaemon(const CommandLine& command);

}  // namespace holdfast::daemon
