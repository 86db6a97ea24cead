// SPDX-License-Identifier: Apache-2.0
// Reading sysfs's list.
#include "daemon/possible_cpus.h"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <ranges>
#include <string>

#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;

constexpr char kPossible[] = "/sys/devices/system/cpu/possible";

bool ParseNumber(std::string_view text, unsigned& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<unsigned> CountCpus(std::string_view list) {
  unsigned count = 0;
  if (list.empty()) return Fail(EINVAL, "an empty list of CPUs");
  for (const auto part : std::views::split(list, ',')) {
    const std::string_view range(part.begin(), part.end());
    const size_t dash = range.find('-');
    unsigned first = 0;
    unsigned last = 0;
    const bool valid =
        ParseNumber(range.substr(0, dash), first) &&
        ParseNumber(dash == std::string_view::npos ? range : range.substr(dash + 1), last);
    if (!valid || last < first) {
      return Fail(EINVAL, fmt::format("\"{}\" is no list of CPUs", list));
    }
    count += last - first + 1;
  }
  return count;
}

Result<unsigned> CountPossibleCpus() {
  std::string list;
  if (!std::getline(std::ifstream(kPossible), list)) {
    return Fail(ENOENT, fmt::format("cannot read {}", kPossible));
  }
  return CountCpus(list);
}

}  // namespace holdfast::daemon
