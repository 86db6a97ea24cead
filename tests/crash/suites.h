// SPDX-License-Identifier: Apache-2.0
// The suites of workloads, by name.
#pragma once

#include <functional>
#include <string_view>

#include "tests/crash/workload.h"

namespace holdfast::tests {

/// Calls `fn` for each workload of "singles", "pairs", "extras" or "triples", always in the same
/// order.
void ForEachWorkload(std::string_view suite, const std::function<void(const Workload&)>& fn);

}  // namespace holdfast::tests
