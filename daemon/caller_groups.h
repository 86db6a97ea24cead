// SPDX-License-Identifier: Apache-2.0
// What FUSE does not say about a caller: supplementary groups and capabilities.
#pragma once

#include <sys/types.h>

namespace holdfast::daemon {

/// True if thread `pid` has `group` among its supplementary groups, or CAP_FSETID. Asks /proc: for
/// rare questions only. False if it is gone.
bool InGroupOrMaySetgid(pid_t pid, gid_t group);

}  // namespace holdfast::daemon
