// SPDX-License-Identifier: Apache-2.0
// The one table of option keys that the command line (-o) and the configuration file share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/options.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

using daxcore::Result;

/// One key. With -o, a flag may stand without a value, or as `noKEY`.
struct OptionKey {
  enum class Kind : uint8_t { kFlag, kNumber, kText };
  std::string_view name;
  Kind kind;
  std::string_view fallback;  ///< the default, as it stands in the configuration file
  std::string_view help;      ///< values or unit, for error messages and --help
  Result<void> (*set)(Options& options, std::string_view text);
};

/// Every key, in the order of the configuration file.
std::span<const OptionKey> OptionKeys();
/// The key of that name, or null.
const OptionKey* FindOptionKey(std::string_view name);

/// Sets one key. EINVAL, with a message that names key and value, if either is not known.
Result<void> SetOption(Options& options, std::string_view name,
                       std::optional<std::string_view> value);
/// Sets everything in a list as mount(8) and -o take it: `key[=value]`, separated by commas (`\,`
/// stands for a comma in a value). Words that mount(8) and fstab use for themselves (defaults,
/// _netdev, nofail, x-*, ...) are accepted and ignored.
Result<void> SetOptionList(Options& options, std::string_view list);

/// `text` for a message of one line: control characters are written as \xNN.
std::string Printable(std::string_view text);

}  // namespace holdfast::daemon
