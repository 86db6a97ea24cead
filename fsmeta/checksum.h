// SPDX-License-Identifier: Apache-2.0
// crc32c (Castagnoli), the one checksum of the medium.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdfast::fsmeta {

/// Checksum of a sequence of pieces: add them in order, then take the value. One owner.
class Crc32c {
 public:
  void Add(std::span<const std::byte> bytes);
  uint32_t value() const { return ~state_; }

 private:
  uint32_t state_ = ~uint32_t{0};
};

}  // namespace holdfast::fsmeta
