// SPDX-License-Identifier: Apache-2.0
// Comparing stretches of a bitmap.
#include "fsmeta/check_bitmap.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kWordBits = 64;

// Bits [from, to) of one word; from < to <= 64.
uint64_t Mask(uint64_t from, uint64_t to) {
  const uint64_t below = to == kWordBits ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
  return below & (~uint64_t{0} << from);
}

}  // namespace

GroupBits::GroupBits(CheckImage& image, CheckReport& report, uint64_t group,
                     const GroupLayout& layout) {
  for (uint64_t i = 0; i < layout.bitmap_blocks.value(); ++i) {
    const auto loaded =
        image.Block<BitmapBlock>(layout.bitmap + BlockCount(i), ObjectType::kBitmap, group);
    blocks_.push_back(loaded ? *loaded : nullptr);
    if (loaded) continue;
    complete_ = false;
    report.Error("group", absl::StrCat(group), ReasonOf(loaded.error()));
  }
}

GroupBits::Difference GroupBits::Compare(uint64_t from, uint64_t to, bool used) const {
  Difference difference;
  const uint64_t expected = used ? ~uint64_t{0} : 0;
  while (from < to) {
    const BitmapBlock* block = blocks_[from / kBitsPerBitmapBlock];
    const uint64_t bit = from % kBitsPerBitmapBlock;
    const uint64_t in_word = bit % kWordBits;
    const uint64_t n = std::min(kWordBits - in_word, to - from);
    const uint64_t word = block == nullptr ? expected : block->bits[bit / kWordBits];
    const uint64_t wrong = (word ^ expected) & Mask(in_word, in_word + n);
    if (wrong != 0) {
      if (difference.count == 0) {
        difference.first = from + static_cast<uint64_t>(std::countr_zero(wrong)) - in_word;
      }
      difference.count += static_cast<uint64_t>(std::popcount(wrong));
    }
    from += n;
  }
  return difference;
}

}  // namespace holdfast::fsmeta
