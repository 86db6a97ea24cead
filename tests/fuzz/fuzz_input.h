// SPDX-License-Identifier: Apache-2.0
// The bytes of a fuzzer's input, taken one number at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace holdfast::tests {

/// Hands out what is left of an input; zeroes when nothing is.
class FuzzInput {
 public:
  explicit FuzzInput(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }

  /// A number of `n` bytes, 8 at most, little endian.
  uint64_t Take(size_t n) {
    uint64_t value = 0;
    const size_t got = std::min(n, bytes_.size());
    if (got != 0) std::memcpy(&value, bytes_.data(), got);
    bytes_ = bytes_.subspan(got);
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace holdfast::tests
