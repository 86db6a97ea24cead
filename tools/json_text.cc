// SPDX-License-Identifier: Apache-2.0
// Laying out JSON for reading.
#include "tools/json_text.h"

#include <string>

namespace holdfast::tools {
namespace {

std::string Scalar(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "-";
  return value.dump();
}

bool IsFlat(const Json& value) {
  if (!value.is_structured()) return true;
  for (const auto& item : value) {
    if (item.is_structured()) return false;
  }
  return true;
}

std::string OneLine(const Json& value) {
  if (!value.is_structured()) return Scalar(value);
  std::string line;
  for (const auto& [key, item] : value.items()) {
    if (!line.empty()) line += value.is_array() ? ", " : "  ";
    if (value.is_object()) line += key + " ";
    line += Scalar(item);
  }
  return line;
}

void PrintBelow(std::ostream& out, const Json& value, size_t depth);

void PrintMember(std::ostream& out, const std::string& name, const Json& value, size_t depth) {
  const std::string indent(2 * depth, ' ');
  if (!value.is_structured() || (value.is_array() && IsFlat(value))) {
    out << indent << name << ": " << OneLine(value) << '\n';
    return;
  }
  out << indent << name << ":\n";
  PrintBelow(out, value, depth + 1);
}

void PrintBelow(std::ostream& out, const Json& value, size_t depth) {
  const std::string indent(2 * depth, ' ');
  if (value.is_array()) {
    size_t number = 0;
    for (const auto& item : value) {
      if (IsFlat(item)) {
        out << indent << OneLine(item) << '\n';
      } else {
        PrintMember(out, std::to_string(number), item, depth);
      }
      ++number;
    }
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.items()) PrintMember(out, key, item, depth);
  } else {
    out << indent << Scalar(value) << '\n';
  }
}

}  // namespace

void PrintJson(std::ostream& out, const Json& value) {
  out << value.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void PrintText(std::ostream& out, const Json& value) { PrintBelow(out, value, 0); }

void Print(std::ostream& out, const Json& value, bool json) {
  json ? PrintJson(out, value) : PrintText(out, value);
}

}  // namespace holdfast::tools
