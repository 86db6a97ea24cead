// SPDX-License-Identifier: Apache-2.0
// How many CPUs the kernel reckons with, hot-plugged ones included.
#pragma once

#include <string_view>

#include "daxcore/result.h"

namespace holdfast::daemon {

/// CPUs in a list as sysfs writes it, "0-3,8". EINVAL if it is not one.
daxcore::Result<unsigned> CountCpus(std::string_view list);
/// The CPUs that may ever be there: one queue each.
daxcore::Result<unsigned> CountPossibleCpus();

}  // namespace holdfast::daemon
