// SPDX-License-Identifier: Apache-2.0
// The main loop: what ends it, what signals do, what runs from time to time.
#include "daemon/housekeeping.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

namespace holdfast::daemon {
namespace {

// Signals are sent to this thread, which is the one that runs the loop.
class HousekeepingTest : public testing::Test {
 protected:
  HousekeepingTest() {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
    house_ = *Housekeeping::Create();
  }
  ~HousekeepingTest() override { pthread_sigmask(SIG_SETMASK, &mask_, nullptr); }

  std::unique_ptr<Housekeeping> house_;

 private:
  sigset_t mask_{};
};

TEST_F(HousekeepingTest, EndsWithTheSignalThatAsksForIt) {
  raise(SIGTERM);
  EXPECT_EQ(house_->Run(), SIGTERM);
  raise(SIGINT);
  EXPECT_EQ(house_->Run(), SIGINT);
}

TEST_F(HousekeepingTest, EndsWhenAnotherThreadSaysSo) {
  std::thread other([this] { house_->End(); });
  EXPECT_EQ(house_->Run(), 0);
  other.join();
}

TEST_F(HousekeepingTest, OtherSignalsRunWhatWasSetForThem) {
  int rotated = 0;
  house_->OnSignal(SIGHUP, [&] { ++rotated; });
  house_->OnSignal(SIGUSR1, [&] { house_->End(); });
  raise(SIGHUP);
  raise(SIGUSR1);
  EXPECT_EQ(house_->Run(), 0);
  EXPECT_EQ(rotated, 1);
}

TEST_F(HousekeepingTest, TasksRunAgainAndAgain) {
  int often = 0;
  int never = 0;
  house_->Every(std::chrono::seconds(0), [&] {
    if (++often == 3) house_->End();
  });
  house_->Every(std::chrono::hours(24 * 365), [&] { ++never; });
  EXPECT_EQ(house_->Run(), 0);
  EXPECT_EQ(often, 3);
  EXPECT_EQ(never, 0);
}

TEST_F(HousekeepingTest, AWriterWithoutReaderDoesNotKillTheDaemon) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

}  // namespace
}  // namespace holdfast::daemon
