// SPDX-License-Identifier: Apache-2.0
// The counters as a Prometheus text file.
#pragma once

#include <string>

#include "daemon/service.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// The counters in the Prometheus text exposition format.
std::string PrometheusText(Service& service);

/// Replaces the file in one step, so that a collector never reads half of it.
daxcore::Result<void> WriteMetricsFile(Service& service, const std::string& path);

}  // namespace holdfast::daemon
