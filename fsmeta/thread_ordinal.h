// SPDX-License-Identifier: Apache-2.0
// A small number for each thread, to spread threads over resources.
#pragma once

#include <atomic>
#include <cstdint>

namespace holdfast::fsmeta {

/// 0, 1, 2, ... in the order in which threads first ask.
inline uint32_t ThreadOrdinal() {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t ordinal = next.fetch_add(1, std::memory_order_relaxed);
  return ordinal;
}

}  // namespace holdfast::fsmeta
