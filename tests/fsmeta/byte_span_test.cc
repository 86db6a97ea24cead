// SPDX-License-Identifier: Apache-2.0
// Byte spans: their blocks, and what is refused.
#include "fsmeta/byte_span.h"

#include <gtest/gtest.h>

namespace holdfast::fsmeta {
namespace {

using daxcore::FileBlock;
using daxcore::FileRange;

TEST(ByteSpan, BlocksTouchedAndCovered) {
  const ByteSpan span{4095, 12289};
  EXPECT_EQ(span.blocks(), (FileRange{FileBlock(0), FileBlock(4)}));
  EXPECT_EQ(span.whole_blocks(), (FileRange{FileBlock(1), FileBlock(3)}));
  EXPECT_FALSE(span.is_block_aligned());
  const ByteSpan inside{10, 20};
  EXPECT_EQ(inside.blocks(), (FileRange{FileBlock(0), FileBlock(1)}));
  EXPECT_TRUE(inside.whole_blocks().empty());
  const ByteSpan aligned{4096, 8192};
  EXPECT_EQ(aligned.blocks(), aligned.whole_blocks());
  EXPECT_TRUE(aligned.is_block_aligned());
}

TEST(ByteSpan, RefusesEmptyAndTooFar) {
  EXPECT_EQ(ByteSpan::Of(0, 0).error().code, EINVAL);
  EXPECT_EQ(ByteSpan::Of(kMaxFileSize, 1).error().code, EFBIG);
  EXPECT_EQ(ByteSpan::Of(UINT64_MAX, UINT64_MAX).error().code, EFBIG);
  EXPECT_EQ(ByteSpan::Of(kMaxFileSize - 1, 1)->end, kMaxFileSize);
}

}  // namespace
}  // namespace holdfast::fsmeta
