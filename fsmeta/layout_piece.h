// SPDX-License-Identifier: Apache-2.0
// One piece of a file's layout, as people and direct clients see it.
#pragma once

#include <cstdint>

namespace holdfast::fsmeta {

/// One piece of a file's layout, for `holdfast extents` and direct clients.
struct LayoutPiece {
  uint64_t file_offset = 0;    ///< bytes
  uint64_t region_offset = 0;  ///< bytes; meaningless for a hole
  uint64_t length = 0;         ///< bytes
  enum class State : uint8_t { kHole, kUnwritten, kWritten, kShared } state = State::kHole;
};

}  // namespace holdfast::fsmeta
