// SPDX-License-Identifier: Apache-2.0
// Paging of long answers.
#include "daemon/snapshots.h"

#include <gtest/gtest.h>

namespace holdfast::daemon {
namespace {

constexpr uid_t kMe = 1000;

TEST(Snapshots, ShortAnswersTakeOnePageAndAreNotKept) {
  Snapshots snapshots;
  const auto page = snapshots.First("{}", kMe, 100);
  EXPECT_EQ(page.text, "{}");
  EXPECT_EQ(page.next, 0U);
}

TEST(Snapshots, PagesPutTogetherAreTheAnswer) {
  Snapshots snapshots;
  std::string answer;
  for (int i = 0; i < 1000; ++i) answer += std::to_string(i);
  auto page = snapshots.First(answer, kMe, 7);
  std::string read = page.text;
  while (page.next != 0) {
    auto next = snapshots.Next(page.next, kMe, 7);
    ASSERT_TRUE(next);
    page = *next;
    read += page.text;
  }
  EXPECT_EQ(read, answer);
}

TEST(Snapshots, CursorsOfOthersAndMadeUpOnesAreRefused) {
  Snapshots snapshots;
  const auto page = snapshots.First("abcdef", kMe, 2);
  EXPECT_FALSE(snapshots.Next(page.next, kMe + 1, 2));
  EXPECT_FALSE(snapshots.Next(page.next + 1000, kMe, 2));
  EXPECT_FALSE(snapshots.Next(~uint64_t{0}, kMe, 2));
  EXPECT_TRUE(snapshots.Next(page.next, kMe, 2));
}

TEST(Snapshots, OnlyTheLastOnesAreKept) {
  Snapshots snapshots;
  const auto oldest = snapshots.First("abcdef", kMe, 2);
  for (uid_t other = 1; other <= 64; ++other) snapshots.First("abcdef", kMe + other, 2);
  EXPECT_FALSE(snapshots.Next(oldest.next, kMe, 2));
}

TEST(Snapshots, NobodyPushesOutWhatOthersRead) {
  Snapshots snapshots;
  const auto mine = snapshots.First("abcdef", kMe, 2);
  const auto oldest = snapshots.First("abcdef", kMe + 1, 2);
  Snapshots::Page newest;
  for (int i = 0; i < 100; ++i) newest = snapshots.First("abcdef", kMe + 1, 2);
  EXPECT_TRUE(snapshots.Next(mine.next, kMe, 2));
  EXPECT_FALSE(snapshots.Next(oldest.next, kMe + 1, 2));
  EXPECT_TRUE(snapshots.Next(newest.next, kMe + 1, 2));
}

TEST(Snapshots, LongAnswersAreKeptAsLongAsThereIsRoom) {
  Snapshots snapshots;
  const std::string longest(size_t{40} << 20, 'x');
  const auto first = snapshots.First(longest, kMe, 2);
  const auto second = snapshots.First(longest, kMe + 1, 2);
  EXPECT_FALSE(snapshots.Next(first.next, kMe, 2));
  EXPECT_TRUE(snapshots.Next(second.next, kMe + 1, 2));
  const auto third = snapshots.First(longest + longest, kMe, 2);
  EXPECT_TRUE(snapshots.Next(third.next, kMe, 2)) << "the newest is kept, however long";
}

}  // namespace
}  // namespace holdfast::daemon
