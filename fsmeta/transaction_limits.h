// SPDX-License-Identifier: Apache-2.0
// The largest costs of transactions, as named constants.
#pragma once

#include <cstdint>

namespace holdfast::fsmeta {

/// In cache lines of a record. What fits a lane is Journal::lane_lines(); more than that spills
/// into free blocks; an operation that could need more than kMaxLines is a chain of transactions.
struct TransactionLimits {
  static constexpr uint64_t kMaxLines = uint64_t{1} << 22;  // 256 MiB of changed lines
};

}  // namespace holdfast::fsmeta
