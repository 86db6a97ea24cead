// SPDX-License-Identifier: Apache-2.0
// Lists of CPUs.
#include "daemon/possible_cpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast::daemon {
namespace {

TEST(CountCpus, CountsRangesAndSingleOnes) {
  EXPECT_EQ(CountCpus("0").value(), 1U);
  EXPECT_EQ(CountCpus("0-1").value(), 2U);
  EXPECT_EQ(CountCpus("0-3,8,10-11").value(), 7U);
}

TEST(CountCpus, RefusesWhatIsNoList) {
  for (const char* text : {"", "x", "1-", "-1", "3-1", "0-1x", "0,,1", "99999999999"}) {
    const auto counted = CountCpus(text);
    ASSERT_FALSE(counted.has_value()) << text;
    EXPECT_EQ(counted.error().code, EINVAL) << text;
  }
}

TEST(CountPossibleCpus, IsNoLessThanThereAre) {
  const auto counted = CountPossibleCpus();
  ASSERT_TRUE(counted.has_value()) << counted.error().Text();
  EXPECT_GE(*counted, static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace
}  // namespace holdfast::daemon
