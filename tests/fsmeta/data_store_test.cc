// SPDX-License-Identifier: Apache-2.0
// Moving data: pieces, offsets into them, and zeroes.
#include "fsmeta/data_store.h"

#include <gtest/gtest.h>

#include <string>

#include "daxcore/media_failure.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::Region;

class DataStoreTest : public testing::Test {
 protected:
  std::string At(uint64_t offset, uint64_t n) {
    return {reinterpret_cast<const char*>(region_->At(offset)), n};
  }

  tests::Recorder recorder_;
  std::unique_ptr<Region> region_ = recorder_.MakeRegion(uint64_t{4} << 20);
  std::unique_ptr<daxcore::MediaFailure> failure_ = *daxcore::MediaFailure::Watch(*region_);
  DataStore store_{*failure_};
};

iovec Piece(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

TEST_F(DataStoreTest, CopiesFromTheMiddleOfSeveralPieces) {
  const iovec pieces[] = {Piece("abc"), Piece(""), Piece("defg"), Piece("hi")};
  ASSERT_TRUE(store_.CopyIn(100, pieces, 2, 6));
  EXPECT_EQ(At(99, 8), std::string("\0cdefgh\0", 8));
  ASSERT_TRUE(store_.CopyIn(200, pieces, 7, 2));
  EXPECT_EQ(At(200, 3), std::string("hi\0", 3));
  ASSERT_TRUE(store_.CopyIn(300, pieces, 3, 0));
  EXPECT_EQ(At(300, 1), std::string(1, '\0'));
}

TEST_F(DataStoreTest, EveryStoreIsNonTemporalSoThatADrainIsEnough) {
  const iovec piece = Piece("hello");
  recorder_.Clear();
  ASSERT_TRUE(store_.CopyIn(4096, {&piece, 1}, 0, 5));
  ASSERT_TRUE(store_.CopyWithin(8192, 4096, 5));
  ASSERT_TRUE(store_.Zero(4096, 2));
  for (const auto& event : recorder_.Events()) {
    EXPECT_TRUE(event.kind == tests::PersistEvent::kCopyNt ||
                event.kind == tests::PersistEvent::kZeroNt);
  }
  EXPECT_EQ(At(4096, 5), std::string("\0\0llo", 5));
  EXPECT_EQ(At(8192, 5), "hello");
}

TEST_F(DataStoreTest, ZeroIsToldFromAlmostZero) {
  EXPECT_TRUE(*store_.IsZero(0, region_->size()));
  EXPECT_TRUE(*store_.IsZero(77, 0));
  const char one = 1;
  const uint64_t last = region_->size() - 1;
  region_->persist().CopyNt(region_->Target(last), &one, 1);
  EXPECT_FALSE(*store_.IsZero(0, region_->size()));
  EXPECT_TRUE(*store_.IsZero(0, last));
  EXPECT_FALSE(*store_.IsZero(last, 1));
}

}  // namespace
}  // namespace holdfast::fsmeta
