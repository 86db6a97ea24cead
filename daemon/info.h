// SPDX-License-Identifier: Apache-2.0
// What a mount says about itself (`holdfast info MNT`, SIGUSR1).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "daemon/service.h"

namespace holdfast::daemon {

/// One object: program, region, filesystem, space, options, features, counters, layouts,
/// failures.
nlohmann::json InfoOf(Service& service);

/// In one line, for a log or an answer; bytes that are no UTF-8 are replaced.
std::string JsonText(const nlohmann::json& value);

/// The counters by themselves: per operation the count, the errors and the latency.
nlohmann::json CountersOf(const Service& service);

}  // namespace holdfast::daemon
