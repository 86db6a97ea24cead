// SPDX-License-Identifier: Apache-2.0
// Errors say something.
#include "daxcore/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::daxcore {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(EINVAL);
  return n / 2;
}

Result<int> Quarter(int n) {
  HOLDFAST_ASSIGN(const int half, Half(n));
  HOLDFAST_TRY(Half(half));
  return half / 2;
}

TEST(Result, ErrorsTravelUpUnchanged) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(7).error().code, EINVAL);
  EXPECT_EQ(Quarter(6).error().code, EINVAL);
}

TEST(Result, TextIsTheMessageOrTheErrnos) {
  EXPECT_EQ((Error{ENOENT, "lost", {}}).Text(), "lost");
  EXPECT_EQ((Error{ENOENT, {}, {}}).Text(), "No such file or directory");
  EXPECT_EQ(Result<void>(FailErrno(EIO, "cannot read", "x")).error().Text(),
            "cannot read x: Input/output error");
}

TEST(Result, OnlyBlockedErrorsAreBlocked) {
  class Never final : public Waitable {
    void OnReady(std::move_only_function<void()>) override {}
  };
  EXPECT_FALSE(Result<void>(Fail(EAGAIN)).error().blocked());
  const Result<void> blocked = Blocked(std::make_shared<Never>());
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(blocked.error().code, EAGAIN);
}

}  // namespace
}  // namespace holdfast::daxcore
