// SPDX-License-Identifier: Apache-2.0
// Is somebody who waits for us about to be interrupted?
#pragma once

#include <sys/types.h>

#include <string_view>

namespace holdfast::daemon {

/// True if the text of /proc/TID/status shows a signal that is pending and not blocked.
bool ShowsPendingSignal(std::string_view status);
/// The same for a thread; false if it is gone or not ours to see (id 0: of another namespace).
bool HasPendingSignal(pid_t thread);

}  // namespace holdfast::daemon
