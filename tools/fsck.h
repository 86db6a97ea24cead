// SPDX-License-Identifier: Apache-2.0
// fsck.holdfast: checks and repairs a filesystem that is not mounted.
#pragma once

#include "tools/command.h"

namespace holdfast::tools {

// Exit codes of fsck(8).
inline constexpr int kFsckCorrected = 1;
inline constexpr int kFsckErrorsLeft = 4;
inline constexpr int kFsckFailure = 8;
inline constexpr int kFsckUsage = 16;

/// Checks (-n, or neither) or repairs (-p: if nothing is lost by it; -y: in any case).
/// 0: clean. 1: repaired. 4: damage left, nothing changed. 8: it could not be done. 16: usage.
int FsckMain(const Arguments& arguments, const Streams& streams);

}  // namespace holdfast::tools
