// SPDX-License-Identifier: Apache-2.0
// crc32c through isa-l, which picks the processor's instructions at run time.
#include "fsmeta/checksum.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace holdfast::fsmeta {

void Crc32c::Add(std::span<const std::byte> bytes) {
  constexpr size_t kMost = size_t{1} << 30;  // isa-l counts in int
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kMost);
    // isa-l only reads the buffer; its prototype predates const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    state_ = crc32_iscsi(data, static_cast<int>(n), state_);
    bytes = bytes.subspan(n);
  }
}

}  // namespace holdfast::fsmeta
