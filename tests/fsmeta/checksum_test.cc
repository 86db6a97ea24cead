// SPDX-License-Identifier: Apache-2.0
// crc32c is the one of RFC 3720, however the bytes are cut.
#include "fsmeta/checksum.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace holdfast::fsmeta {
namespace {

uint32_t SumOf(std::string_view text) {
  Crc32c crc;
  crc.Add(std::as_bytes(std::span(text)));
  return crc.value();
}

TEST(Crc32c, AgreesWithPublishedValues) {
  EXPECT_EQ(SumOf("123456789"), 0xe3069283U);
  const std::array<std::byte, 32> zeroes{};
  Crc32c crc;
  crc.Add(zeroes);
  EXPECT_EQ(crc.value(), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c().value(), 0U);
}

TEST(Crc32c, PiecesAddUp) {
  Crc32c crc;
  for (const std::string_view piece : {"1234", "", "5", "6789"}) {
    crc.Add(std::as_bytes(std::span(piece)));
  }
  EXPECT_EQ(crc.value(), 0xe3069283U);
}

}  // namespace
}  // namespace holdfast::fsmeta
