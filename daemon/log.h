// SPDX-License-Identifier: Apache-2.0
// Where the daemon's log goes.
#pragma once

#include "daemon/options.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// Sends spdlog (and what libfuse says) to `options.log_file`: a file, stderr, or syslog, which the
/// journal reads; "auto" is stderr in the foreground and syslog else. Called again, it opens the
/// file anew (log rotation). Errors name the file.
daxcore::Result<void> StartLog(const Options& options, bool foreground);

}  // namespace holdfast::daemon
