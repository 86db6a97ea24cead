// SPDX-License-Identifier: Apache-2.0
// The parking lot: waiting without threads (L3), interrupts (L5), the end of the mount.
#include "daemon/parking_lot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace holdfast::daemon {
namespace {

using daxcore::Waitable;

// Fires when the test says so.
class Gate final : public Waitable {
 public:
  void OnReady(std::move_only_function<void()> wake) override {
    {
      const absl::MutexLock hold(&mutex_);
      if (!open_) return wakes_.push_back(std::move(wake));
    }
    wake();
  }
  void Open() {
    std::vector<std::move_only_function<void()>> wakes;
    {
      const absl::MutexLock hold(&mutex_);
      open_ = true;
      wakes.swap(wakes_);
    }
    for (auto& wake : wakes) wake();
  }

 private:
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::move_only_function<void()>> wakes_ ABSL_GUARDED_BY(mutex_);
};

// What became of a request, to look at after it is gone.
struct Outcome {
  std::atomic<int> runs{0};
  std::atomic<int> answer{-1};  // 0 = done, else an errno
  absl::Notification answered;
  std::atomic<uint64_t> ticket{0};
  std::atomic<bool> listening{false};
};

// Is blocked by each of its gates in turn.
class Request final : public ParkedRequest {
 public:
  Request(std::shared_ptr<Outcome> outcome, std::vector<std::shared_ptr<Waitable>> later)
      : outcome_(std::move(outcome)), later_(std::move(later)) {}

  std::shared_ptr<Waitable> Run() override {
    outcome_->runs.fetch_add(1);
    if (interrupted_) return Answer(EINTR), nullptr;
    if (next_ < later_.size()) return later_[next_++];
    return Answer(0), nullptr;
  }
  void Listen(ParkingLot& lot, uint64_t ticket) override {
    outcome_->ticket = ticket;
    outcome_->listening = true;
    if (interrupt_while_parking) lot.Interrupt(ticket);
  }
  void StopListening() override { outcome_->listening = false; }
  void Interrupt() override { interrupted_ = true; }
  void Abandon(int error) override { Answer(error); }

  bool interrupt_while_parking = false;

 private:
  void Answer(int error) {
    EXPECT_FALSE(outcome_->listening) << "answered while an interrupt could still find it";
    EXPECT_EQ(outcome_->answer.exchange(error), -1) << "answered twice";
    outcome_->answered.Notify();
  }

  std::shared_ptr<Outcome> outcome_;
  std::vector<std::shared_ptr<Waitable>> later_;
  size_t next_ = 0;
  std::atomic<bool> interrupted_{false};
};

class ParkingLotTest : public ::testing::Test {
 protected:
  std::shared_ptr<Outcome> Park(std::shared_ptr<Waitable> gate,
                                std::vector<std::shared_ptr<Waitable>> later = {}) {
    auto outcome = std::make_shared<Outcome>();
    lot_.Park(std::make_unique<Request>(outcome, std::move(later)), std::move(gate));
    return outcome;
  }

  WorkerPool workers_{3};
  ParkingLot lot_{workers_};
};

TEST_F(ParkingLotTest, L3_RunsAgainWhenWhatItWaitsForIsReady) {
  auto gate = std::make_shared<Gate>();
  auto outcome = Park(gate);
  EXPECT_EQ(lot_.size(), 1U);
  EXPECT_EQ(outcome->runs, 0);
  gate->Open();
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, 0);
  EXPECT_EQ(outcome->runs, 1);
  EXPECT_EQ(lot_.size(), 0U);
}

TEST_F(ParkingLotTest, L3_ParksAgainAsOftenAsItIsBlocked) {
  auto first = std::make_shared<Gate>();
  auto second = std::make_shared<Gate>();
  auto third = std::make_shared<Gate>();
  auto outcome = Park(first, {second, third});
  first->Open();
  second->Open();
  third->Open();
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, 0);
  EXPECT_EQ(outcome->runs, 3);
}

TEST_F(ParkingLotTest, L3_AGateThatIsOpenAlreadyDoesNotLoseTheRequest) {
  auto gate = std::make_shared<Gate>();
  gate->Open();
  auto outcome = Park(gate);
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, 0);
}

TEST_F(ParkingLotTest, L5_AnInterruptEndsTheWait) {
  auto outcome = Park(std::make_shared<Gate>());
  lot_.Interrupt(outcome->ticket);
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, EINTR);
}

TEST_F(ParkingLotTest, L5_AnInterruptThatCameBeforeParkingCounts) {
  auto outcome = std::make_shared<Outcome>();
  auto request = std::make_unique<Request>(outcome, std::vector<std::shared_ptr<Waitable>>{});
  request->interrupt_while_parking = true;
  lot_.Park(std::move(request), std::make_shared<Gate>());
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, EINTR);
}

TEST_F(ParkingLotTest, InterruptsForRequestsThatAreGoneAreIgnored) {
  auto gate = std::make_shared<Gate>();
  auto outcome = Park(gate);
  gate->Open();
  outcome->answered.WaitForNotification();
  lot_.Interrupt(outcome->ticket);
  lot_.Interrupt(12345);
  EXPECT_EQ(outcome->answer, 0);
}

TEST_F(ParkingLotTest, AThousandParkedRequestsTakeNoThread) {
  auto gate = std::make_shared<Gate>();
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 1000; ++i) outcomes.push_back(Park(gate));
  EXPECT_EQ(lot_.size(), 1000U);
  EXPECT_EQ(workers_.threads(), 0U);
  gate->Open();
  for (const auto& outcome : outcomes) outcome->answered.WaitForNotification();
  EXPECT_LE(workers_.threads(), 3U);
}

TEST_F(ParkingLotTest, F5_WakeAllRunsWhatWaitsAgain) {
  auto outcome = Park(std::make_shared<Gate>());
  lot_.WakeAll();
  outcome->answered.WaitForNotification();
  EXPECT_EQ(outcome->answer, 0);
  EXPECT_EQ(outcome->runs, 1);
}

TEST_F(ParkingLotTest, CloseAnswersWhatIsParkedAndWhatComesLater) {
  auto gate = std::make_shared<Gate>();
  auto parked = Park(gate);
  lot_.Close(EINTR);
  EXPECT_EQ(parked->answer, EINTR);
  EXPECT_EQ(Park(gate)->answer, EINTR);
  gate->Open();
  EXPECT_EQ(lot_.size(), 0U);
}

TEST(ParkingLotEnd, AWakeUpAfterTheLotIsGoneDoesNothing) {
  auto gate = std::make_shared<Gate>();
  auto outcome = std::make_shared<Outcome>();
  {
    WorkerPool workers(1);
    ParkingLot lot(workers);
    lot.Park(std::make_unique<Request>(outcome, std::vector<std::shared_ptr<Waitable>>{}), gate);
  }
  EXPECT_EQ(outcome->answer, EINTR);
  gate->Open();
}

// Gates, interrupts and Close at the same time: each request is answered exactly once.
TEST(ParkingLotEnd, RacesAnswerEachRequestOnce) {
  for (int round = 0; round < 50; ++round) {
    WorkerPool workers(2);
    ParkingLot lot(workers);
    std::vector<std::shared_ptr<Gate>> gates;
    std::vector<std::shared_ptr<Outcome>> outcomes;
    for (int i = 0; i < 40; ++i) {
      gates.push_back(std::make_shared<Gate>());
      outcomes.push_back(std::make_shared<Outcome>());
    }
    std::thread opener([&] {
      for (auto& gate : gates) gate->Open();
    });
    std::thread interrupter([&] {
      for (auto& outcome : outcomes) lot.Interrupt(outcome->ticket);
    });
    for (size_t i = 0; i < gates.size(); ++i) {
      lot.Park(
          std::make_unique<Request>(outcomes[i], std::vector<std::shared_ptr<Waitable>>{gates[i]}),
          gates[i]);
    }
    lot.Close(EINTR);
    opener.join();
    interrupter.join();
    workers.Stop();
    for (auto& outcome : outcomes) EXPECT_TRUE(outcome->answered.HasBeenNotified());
  }
}

}  // namespace
}  // namespace holdfast::daemon
