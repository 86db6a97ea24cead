// SPDX-License-Identifier: Apache-2.0
// mkfs.holdfast: makes a filesystem on a region, and the region itself where it is emulated.
#pragma once

#include "tools/command.h"

namespace holdfast::tools {

/// 0, 1 for failure, 2 for usage. Without --force nothing that exists is destroyed; whatever was
/// made before a failure is removed again.
int MkfsMain(const Arguments& arguments, const Streams& streams);

}  // namespace holdfast::tools
