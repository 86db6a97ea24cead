// SPDX-License-Identifier: Apache-2.0
// Sizes and offsets as people write them on a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "CLI/CLI.hpp"

namespace holdfast::tools {

/// "4096", "4K", "16MiB": digits and an optional K, M, G or T (powers of 1024; "KiB" and "KB"
/// too, in either case). Nothing for anything else or past 2^64 - 1.
std::optional<uint64_t> ParseSize(std::string_view text);

/// "1 GiB", "1.5 MiB", "100 bytes".
std::string SizeText(uint64_t bytes);

/// An option whose value is a size.
CLI::Option* AddSize(CLI::App& app, const std::string& name, uint64_t& value,
                     const std::string& description);

}  // namespace holdfast::tools
