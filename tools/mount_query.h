// SPDX-License-Identifier: Apache-2.0
// Questions to the daemon of a mount.
#pragma once

#include <string>

#include "daxcore/result.h"
#include "holdfast/ioctl.h"
#include "tools/json_text.h"

namespace holdfast::tools {

/// Asks `question` (what, offset, length) of the mount that `path` lies on, and puts the pages of
/// the answer together. As MountFile; EPROTO: the answer is no JSON.
daxcore::Result<Json> AskMount(const std::string& path, holdfast_query question);

}  // namespace holdfast::tools
