// SPDX-License-Identifier: Apache-2.0
// Answers for people, from the same object that --json prints.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>

namespace holdfast::tools {

using Json = nlohmann::ordered_json;

/// One line of JSON; bytes that are no UTF-8 are replaced.
void PrintJson(std::ostream& out, const Json& value);
/// Indented "key: value" lines; a list of objects one line each.
void PrintText(std::ostream& out, const Json& value);
/// One or the other.
void Print(std::ostream& out, const Json& value, bool json);

}  // namespace holdfast::tools
