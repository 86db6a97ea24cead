// SPDX-License-Identifier: Apache-2.0
// The image that a workload starts from.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tests/crash/in_flight.h"
#include "tests/crash/workload.h"

namespace holdfast::tests {

/// Runs the preparation on a new filesystem. Aborts the program if that fails.
std::vector<std::byte> MakeImage(const Preparation& preparation);

/// Where the lanes are.
ByteRange JournalOf(std::span<const std::byte> image);

}  // namespace holdfast::tests
