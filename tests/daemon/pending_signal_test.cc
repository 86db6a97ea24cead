// SPDX-License-Identifier: Apache-2.0
// Pending signals of threads.
#include "daemon/pending_signal.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::daemon {
namespace {

TEST(PendingSignal, CountsOnlyWhatIsNotBlocked) {
  EXPECT_FALSE(ShowsPendingSignal("Name:\tx\nSigPnd:\t0000\nShdPnd:\t0000\nSigBlk:\t0002\n"));
  EXPECT_TRUE(ShowsPendingSignal("Name:\tx\nSigPnd:\t0002\nShdPnd:\t0000\nSigBlk:\t0000\n"));
  EXPECT_TRUE(ShowsPendingSignal("Name:\tx\nSigPnd:\t0000\nShdPnd:\t4000\nSigBlk:\t0002\n"));
  EXPECT_FALSE(ShowsPendingSignal("Name:\tx\nSigPnd:\t0002\nShdPnd:\t0002\nSigBlk:\t0002\n"));
  EXPECT_FALSE(ShowsPendingSignal(""));
}

// A name may hold anything, a line that looks like a mask included.
TEST(PendingSignal, IsNotFooledByTheNameOfAProgram) {
  EXPECT_FALSE(ShowsPendingSignal("Name:\tSigPnd:\tff\nSigPnd:\t00\nShdPnd:\t00\nSigBlk:\t00\n"));
}

TEST(PendingSignal, ReadsTheKernelsMasks) {
  EXPECT_FALSE(HasPendingSignal(gettid()));
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  pthread_kill(pthread_self(), SIGUSR2);
  EXPECT_FALSE(HasPendingSignal(gettid())) << "it is blocked";
  int taken = 0;
  sigwait(&blocked, &taken);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// A stopped process cannot take its signals: they stay pending.
TEST(PendingSignal, SeesWhatWaitsForAProcess) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  kill(child, SIGSTOP);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_FALSE(HasPendingSignal(child));
  kill(child, SIGUSR2);
  EXPECT_TRUE(HasPendingSignal(child));
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

TEST(PendingSignal, IsFalseOfThreadsThatAreNotThere) {
  EXPECT_FALSE(HasPendingSignal(0));
  EXPECT_FALSE(HasPendingSignal(1 << 30));
}

}  // namespace
}  // namespace holdfast::daemon
