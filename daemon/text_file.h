// SPDX-License-Identifier: Apache-2.0
// Whole text files, those of /proc included.
#pragma once

#include <string>

#include "daxcore/result.h"

namespace holdfast::daemon {

/// All that `path` holds. Errors are those of open(2) and read(2), with a line that names the file:
/// ESRCH where a process ended while its file in /proc was read (for that the standard library's
/// stream buffers throw), EISDIR. Any thread.
daxcore::Result<std::string> ReadTextFile(const std::string& path);

}  // namespace holdfast::daemon
