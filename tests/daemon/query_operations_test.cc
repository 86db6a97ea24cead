// SPDX-License-Identifier: Apache-2.0
// Queries over the protocol: who may ask what, and answers in pages.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/daemon/ioctl_fixture.h"

namespace holdfast::daemon {
namespace {

constexpr uint32_t kEverybody = 1000;

class QueryOperationsTest : public IoctlFixture {
 protected:
  int ErrorOf(const OpenFile& file, const holdfast_query& query) {
    return Ask(file, HOLDFAST_IOC_QUERY, query).error;
  }
  static holdfast_query About(uint32_t what, uint64_t offset = 0, uint64_t length = 0) {
    auto query = Sized<holdfast_query>();
    query.what = what;
    query.offset = offset;
    query.length = length;
    return query;
  }
  nlohmann::json AnswerTo(holdfast_query query) {
    std::string text;
    do {
      const tests::FuseReply reply = Ask(file_, HOLDFAST_IOC_QUERY, query);
      EXPECT_EQ(reply.error, 0);
      if (reply.error != 0) return {};
      query = Out<holdfast_query>(reply);
      text.append(query.text, query.count);
      ++pages_;
    } while (query.cursor != 0);
    return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  }
  void AskAs(uint32_t uid) {
    kernel().set_caller({.uid = uid, .pid = static_cast<uint32_t>(getpid())});
  }

  int pages_ = 0;
};

TEST_F(QueryOperationsTest, InfoIsForEverybody) {
  AskAs(kEverybody);
  const auto info = AnswerTo(About(HOLDFAST_QUERY_INFO));
  EXPECT_EQ(info["counters"]["bytes_written"], kBytes);
  EXPECT_EQ(info["region"]["kind"], "memory");
  EXPECT_EQ(info["features"]["transport"], "fuse");
}

TEST_F(QueryOperationsTest, WhatOthersHoldIsForRoot) {
  for (const uint32_t what :
       {HOLDFAST_QUERY_BUSY, HOLDFAST_QUERY_OWNERS, HOLDFAST_QUERY_FAILURES}) {
    AskAs(kEverybody);
    EXPECT_EQ(ErrorOf(file_, About(what, 0, 4096)), EPERM) << what;
    AskAs(0);
    EXPECT_TRUE(AnswerTo(About(what, 0, 4096)).is_object()) << what;
  }
}

TEST_F(QueryOperationsTest, PagesNeedTheFileOpenForReading) {
  const OpenFile writer = OpenAgain(O_WRONLY);
  EXPECT_EQ(ErrorOf(writer, About(HOLDFAST_QUERY_PAGES)), EBADF);
  EXPECT_TRUE(AnswerTo(About(HOLDFAST_QUERY_PAGES))["pages"].is_array());
}

TEST_F(QueryOperationsTest, ImpossibleQuestionsAreRefused) {
  EXPECT_EQ(ErrorOf(file_, About(4711)), EOPNOTSUPP);
  EXPECT_EQ(ErrorOf(file_, About(HOLDFAST_QUERY_PAGES, 4096, ~uint64_t{0})), EINVAL);
  EXPECT_EQ(ErrorOf(file_, About(HOLDFAST_QUERY_PAGES, uint64_t{1} << 60, 1)), EINVAL);
  auto reserved = About(HOLDFAST_QUERY_INFO);
  reserved.reserved = 1;
  EXPECT_EQ(ErrorOf(file_, reserved), EINVAL);
}

TEST_F(QueryOperationsTest, ALongAnswerComesInPagesOfItsAsker) {
  for (uint64_t i = 0; i < 100; ++i) {
    auto pin = Sized<holdfast_pin>();
    pin.offset = 4096 * (i % 4);
    pin.length = 4096;
    ASSERT_EQ(Ask(file_, HOLDFAST_IOC_PIN, pin).error, 0);
  }
  const tests::FuseReply first = Ask(file_, HOLDFAST_IOC_QUERY, About(HOLDFAST_QUERY_BUSY));
  const auto page = Out<holdfast_query>(first);
  ASSERT_NE(page.cursor, 0U);
  EXPECT_EQ(page.count, sizeof(page.text));
  AskAs(kEverybody);
  EXPECT_EQ(ErrorOf(file_, page), ESTALE) << "of another user";
  AskAs(0);
  EXPECT_EQ(AnswerTo(About(HOLDFAST_QUERY_BUSY))["holders"].size(), 100U);
  EXPECT_GE(pages_, 2);
}

TEST_F(QueryOperationsTest, APageThatNobodyAskedForIsStale) {
  auto query = About(HOLDFAST_QUERY_INFO);
  query.cursor = 987654321;
  EXPECT_EQ(ErrorOf(file_, query), ESTALE);
}

}  // namespace
}  // namespace holdfast::daemon
