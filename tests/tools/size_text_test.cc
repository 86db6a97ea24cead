// SPDX-License-Identifier: Apache-2.0
// Sizes with suffixes, and what is none.
#include "tools/size_text.h"

#include <gtest/gtest.h>

namespace holdfast::tools {
namespace {

TEST(SizeText, Parses) {
  EXPECT_EQ(ParseSize("0"), 0U);
  EXPECT_EQ(ParseSize("4096"), 4096U);
  EXPECT_EQ(ParseSize("12B"), 12U);
  EXPECT_EQ(ParseSize("4K"), 4096U);
  EXPECT_EQ(ParseSize("4k"), 4096U);
  EXPECT_EQ(ParseSize("16MiB"), uint64_t{16} << 20);
  EXPECT_EQ(ParseSize("16MB"), uint64_t{16} << 20);
  EXPECT_EQ(ParseSize("1G"), uint64_t{1} << 30);
  EXPECT_EQ(ParseSize("3T"), uint64_t{3} << 40);
  EXPECT_EQ(ParseSize("18446744073709551615"), ~uint64_t{0});
}

TEST(SizeText, RefusesTheRest) {
  for (const char* bad :
       {"", "K", "-1", "+1", " 1", "1 ", "1.5G", "0x10", "1Q", "1KK", "1iB", "1KiBs",
        "18446744073709551616", "16777216T", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseSize(bad)) << bad;
  }
}

TEST(SizeText, Writes) {
  EXPECT_EQ(SizeText(0), "0 bytes");
  EXPECT_EQ(SizeText(1023), "1023 bytes");
  EXPECT_EQ(SizeText(4096), "4 KiB");
  EXPECT_EQ(SizeText(uint64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(SizeText(uint64_t{1} << 30), "1 GiB");
  EXPECT_EQ(SizeText(uint64_t{5000} << 40), "5000 TiB");
}

}  // namespace
}  // namespace holdfast::tools
