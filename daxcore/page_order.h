// SPDX-License-Identifier: Apache-2.0
// Sizes of pages: 4 KiB, 2 MiB and 1 GiB only (rule C8).
#pragma once

#include "daxcore/types.h"

namespace holdfast::daxcore {

/// Size class of a page. Also the geometry of a region: the largest order its mappings use (C1).
enum class PageOrder : uint8_t { k4K = 0, k2M = 1, k1G = 2 };

/// 4 KiB blocks in a page of this order.
constexpr BlockCount BlocksOf(PageOrder order) {
  return BlockCount(uint64_t{1} << (9 * static_cast<unsigned>(order)));
}

/// The next smaller order. `order` is not k4K.
constexpr PageOrder Smaller(PageOrder order) {
  return static_cast<PageOrder>(static_cast<uint8_t>(order) - 1);
}

constexpr bool IsAligned(uint64_t block, PageOrder order) {
  return block % BlocksOf(order).value() == 0;
}

/// The page of `order` that `pfn` lies in.
constexpr Pfn HeadOf(Pfn pfn, PageOrder order) {
  return Pfn(AlignDown(pfn.value(), BlocksOf(order).value()));
}

}  // namespace holdfast::daxcore
