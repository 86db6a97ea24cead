// SPDX-License-Identifier: Apache-2.0
// What a power failure can leave of the stores in flight: the subsets that are tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/crash/in_flight.h"

namespace holdfast::tests {

/// The part [start, end) of a unit's bytes that reached the medium.
struct Survivor {
  size_t unit = 0;
  uint64_t start = 0;
  uint64_t end = 0;
};

/// `kind` is a few words for reports; the survivors are in the order of the units.
using OutcomeFn = absl::FunctionRef<void(std::string_view kind, std::span<const Survivor>)>;

/// Calls `fn` for each outcome that is tried of a power failure with `units` in flight: none, all,
/// every single unit, all but one, every pair, data without their first, middle or last line, two
/// pieces of data each without that one, and each line as any 8-byte prefix, alone and with
/// all others. Cached stores to the same line survive in order. With more than kMostForAllPairs
/// units, pairs are the neighbours and those of that many units evenly spread.
void ForEachOutcome(std::span<const StoreUnit> units, OutcomeFn fn);

inline constexpr size_t kMostForAllPairs = 64;

}  // namespace holdfast::tests
