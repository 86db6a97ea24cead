// SPDX-License-Identifier: Apache-2.0
// holdfastd: mounts a region and serves it.
#include "daemon/command_line.h"
#include "daemon/daemon.h"

int main(int argc, char** argv) {
  auto parsed = holdfast::daemon::ParseCommandLine(argc, argv);
  if (!parsed.command) return parsed.exit_status;
  return holdfast::daemon::RunDaemon(*parsed.command);
}
