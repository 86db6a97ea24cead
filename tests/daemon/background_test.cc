// SPDX-License-Identifier: Apache-2.0
// The word that the background process sends to the shell's: ready, failed, or none at all.
#include "daemon/background.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace holdfast::daemon {
namespace {

using ::testing::ExitedWithCode;

// In a process of its own, whose exit status and stderr are looked at: `child` runs in the
// background process of that.
template <typename F>
void InBackground(F&& child) {
  auto pipe = GoToBackground();
  if (!pipe) _exit(99);
  child(*pipe);
  _exit(0);
}

TEST(BackgroundTest, TheShellGoesOnWhenTheMountIsReady) {
  EXPECT_EXIT(InBackground([](ReadyPipe& pipe) { pipe.Ready(); }), ExitedWithCode(0), "^$");
}

TEST(BackgroundTest, TheShellIsToldWhatFailed) {
  EXPECT_EXIT(InBackground([](ReadyPipe& pipe) { pipe.Failed("cannot mount on /x: busy"); }),
              ExitedWithCode(1), "^holdfastd: cannot mount on /x: busy\n$");
}

TEST(BackgroundTest, ADaemonThatDiesIsAFailure) {
  EXPECT_EXIT(InBackground([](ReadyPipe&) {}), ExitedWithCode(1),
              "the daemon ended before the mount was ready");
}

TEST(BackgroundTest, TheDaemonLeadsASessionOfItsOwn) {
  EXPECT_EXIT(InBackground([](ReadyPipe& pipe) {
                if (getsid(0) == getpid()) pipe.Ready();
              }),
              ExitedWithCode(0), "");
}

TEST(BackgroundTest, InTheForegroundAFailureIsPrinted) {
  ReadyPipe nobody;
  ::testing::internal::CaptureStderr();
  nobody.Ready();
  nobody.Failed("no such region");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "holdfastd: no such region\n");
}

}  // namespace
}  // namespace holdfast::daemon
