// SPDX-License-Identifier: Apache-2.0
// Hexadecimal in groups of 8, 4, 4, 4 and 12 digits.
#include "fsmeta/uuid_text.h"

#include <charconv>

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {
namespace {

constexpr size_t kTextLength = 36;

// True if a dash stands before byte `i`.
bool DashBefore(size_t i) { return i == 4 || i == 6 || i == 8 || i == 10; }

}  // namespace

std::string UuidText(const Uuid& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (DashBefore(i)) text.push_back('-');
    absl::StrAppendFormat(&text, "%02x", uuid[i]);
  }
  return text;
}

std::optional<Uuid> ParseUuid(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  Uuid uuid;
  size_t at = 0;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (DashBefore(i) && text[at++] != '-') return std::nullopt;
    const char* digits = text.data() + at;
    const auto [end, error] = std::from_chars(digits, digits + 2, uuid[i], 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
    at += 2;
  }
  return uuid;
}

}  // namespace holdfast::fsmeta
