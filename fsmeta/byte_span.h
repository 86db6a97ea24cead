// SPDX-License-Identifier: Apache-2.0
// A range of bytes of a file, and the blocks it touches.
#pragma once

#include <cstdint>

#include "daxcore/ranges.h"
#include "daxcore/result.h"

namespace holdfast::fsmeta {

/// Largest size of a file, bytes.
inline constexpr uint64_t kMaxFileSize = uint64_t{1} << 60;
static_assert(daxcore::ByteOffset(daxcore::kFileEnd) == kMaxFileSize);

/// Bytes [offset, end) of a file, inside [0, kMaxFileSize].
struct ByteSpan {
  uint64_t offset = 0;
  uint64_t end = 0;

  /// EINVAL for length 0, EFBIG past the largest size.
  static daxcore::Result<ByteSpan> Of(uint64_t offset, uint64_t length) {
    if (length == 0) return daxcore::Fail(EINVAL);
    if (offset > kMaxFileSize || length > kMaxFileSize - offset) return daxcore::Fail(EFBIG);
    return ByteSpan{offset, offset + length};
  }

  uint64_t length() const { return end - offset; }
  bool is_block_aligned() const { return (offset | end) % daxcore::kBlockSize == 0; }
  /// Every block that holds one of the bytes.
  daxcore::FileRange blocks() const {
    return {daxcore::FileBlockOf(offset), daxcore::FileBlockCeil(end)};
  }
  /// The blocks that lie in it completely; may be empty, with start > end.
  daxcore::FileRange whole_blocks() const {
    return {daxcore::FileBlockCeil(offset), daxcore::FileBlockOf(end)};
  }
};

}  // namespace holdfast::fsmeta
