// SPDX-License-Identifier: Apache-2.0
// Reading and writing sizes.
#include "tools/size_text.h"

#include <charconv>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace holdfast::tools {
namespace {

constexpr std::string_view kUnits = "KMGT";

}  // namespace

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(stop, static_cast<size_t>(end - stop));
  if (unit.empty() || unit == "B") return value;
  const size_t power = kUnits.find(absl::ascii_toupper(static_cast<unsigned char>(unit.front())));
  if (power == std::string_view::npos) return std::nullopt;
  unit.remove_prefix(1);
  if (!unit.empty() && unit != "B" && unit != "iB") return std::nullopt;
  uint64_t size = 0;
  if (__builtin_mul_overflow(value, uint64_t{1} << (10 * (power + 1)), &size)) return std::nullopt;
  return size;
}

std::string SizeText(uint64_t bytes) {
  constexpr const char* kNames[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrFormat("%d bytes", bytes);
  size_t unit = 0;
  uint64_t scale = 1024;
  while (unit + 1 < std::size(kNames) && bytes / scale >= 1024) {
    ++unit;
    scale *= 1024;
  }
  if (bytes % scale == 0) return absl::StrFormat("%d %s", bytes / scale, kNames[unit]);
  return absl::StrFormat("%.1f %s", static_cast<double>(bytes) / static_cast<double>(scale),
                         kNames[unit]);
}

CLI::Option* AddSize(CLI::App& app, const std::string& name, uint64_t& value,
                     const std::string& description) {
  const auto parse = [&value, name](const std::string& text) {
    const auto size = ParseSize(text);
    if (!size) {
      throw CLI::ValidationError(name, "'" + text +
                                           "' is no size; give a number, with K, M, G or "
                                           "T for more");
    }
    value = *size;
  };
  return app.add_option_function<std::string>(name, parse, description)->type_name("SIZE");
}

}  // namespace holdfast::tools
