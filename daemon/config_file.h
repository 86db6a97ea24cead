// SPDX-License-Identifier: Apache-2.0
// Reads the configuration file (TOML; conf/holdfast.toml documents it).
#pragma once

#include <string>

#include "daemon/options.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// Sets every key of the file at `path`. Errors name the file and the line: ENOENT and the like as
/// open(2); EINVAL for what is not TOML, an unknown key, or a value of the wrong type or range.
daxcore::Result<void> ReadConfigFile(const std::string& path, Options& options);

}  // namespace holdfast::daemon
