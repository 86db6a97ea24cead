// SPDX-License-Identifier: Apache-2.0
// fsck.holdfast: checks a filesystem that is not mounted.
#pragma once

#include "tools/command.h"

namespace holdfast::tools {

// Exit codes of fsck(8).
inline constexpr int kFsckErrorsLeft = 4;
inline constexpr int kFsckFailure = 8;
inline constexpr int kFsckUsage = 16;

/// Checks and reports; writes nothing, whatever is asked for, since this version repairs nothing.
/// 0: clean. 4: damage found (and left). 8: the check could not be done. 16: usage.
int FsckMain(const Arguments& arguments, const Streams& streams);

}  // namespace holdfast::tools
