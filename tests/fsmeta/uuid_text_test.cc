// SPDX-License-Identifier: Apache-2.0
// Uuids there and back.
#include "fsmeta/uuid_text.h"

#include <gtest/gtest.h>

namespace holdfast::fsmeta {
namespace {

constexpr std::string_view kText = "01234567-89ab-cdef-0123-456789abcdef";

TEST(UuidText, RoundTrip) {
  const auto uuid = ParseUuid(kText);
  ASSERT_TRUE(uuid);
  EXPECT_EQ((*uuid)[0], 0x01);
  EXPECT_EQ((*uuid)[15], 0xef);
  EXPECT_EQ(UuidText(*uuid), kText);
  EXPECT_EQ(ParseUuid("01234567-89AB-CDEF-0123-456789ABCDEF"), uuid);
}

TEST(UuidText, AnythingElseIsNone) {
  for (const std::string_view bad :
       {"", "0", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdef0",
        "0123456789abcdef0123456789abcdef0123", "01234567_89ab-cdef-0123-456789abcdef",
        "+1234567-89ab-cdef-0123-456789abcdef", "0123456g-89ab-cdef-0123-456789abcdef",
        " 1234567-89ab-cdef-0123-456789abcdef"}) {
    EXPECT_FALSE(ParseUuid(bad)) << bad;
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
