// SPDX-License-Identifier: Apache-2.0
// TOML to options.
#include "daemon/config_file.h"

#include <toml++/toml.h>

#include <cerrno>
#include <string_view>

#include "daemon/option_table.h"
#include "daemon/text_file.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;

std::string Place(const std::string& path, const toml::source_region& where) {
  return fmt::format("{} line {}: ", path, where.begin.line);
}

// The value as text, if it is of the kind the key takes.
Result<std::string> TextOf(const OptionKey& key, const toml::node& node) {
  switch (key.kind) {
    case OptionKey::Kind::kFlag:
      if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
      return Fail(EINVAL, fmt::format("key {} takes true or false", key.name));
    case OptionKey::Kind::kNumber:
      if (const auto* number = node.as_integer()) return std::to_string(number->get());
      return Fail(EINVAL, fmt::format("key {} takes a number: {}", key.name, key.help));
    case OptionKey::Kind::kText:
      if (const auto* text = node.as_string()) return text->get();
      return Fail(EINVAL, fmt::format("key {} takes a string: {}", key.name, key.help));
  }
  return Fail(EINVAL);
}

Result<void> SetFromFile(Options& options, std::string_view name, const toml::node& node) {
  const OptionKey* key = FindOptionKey(name);
  if (key == nullptr) return Fail(EINVAL, fmt::format("unknown key \"{}\"", Printable(name)));
  HOLDFAST_ASSIGN(const std::string text, TextOf(*key, node));
  return SetOption(options, name, text);
}

// The distribution's toml++ is built to throw.
Result<toml::table> ParseToml(const std::string& path, const std::string& text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Fail(EINVAL, Place(path, error.source()) + Printable(error.description()));
  }
}

}  // namespace

daxcore::Result<void> ReadConfigFile(const std::string& path, Options& options) {
  HOLDFAST_ASSIGN(const std::string text, ReadTextFile(path));
  HOLDFAST_ASSIGN(const toml::table table, ParseToml(path, text));
  for (const auto& [name, node] : table) {
    if (auto set = SetFromFile(options, name.str(), node); !set) {
      return Fail(EINVAL, Place(path, node.source()) + set.error().message);
    }
  }
  return {};
}

}  // namespace holdfast::daemon
