// SPDX-License-Identifier: Apache-2.0
// Requests that have to wait: parked, woken, interrupted, and the end of the mount meanwhile (L3,
// L5).
#include "daemon/call.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {
namespace {

Options Waiting() {
  Options options;
  options.layout.busy_policy = daxcore::BusyPolicy::kWait;
  return options;
}

class CallTest : public FakeMount {
 protected:
  CallTest() : FakeMount(Waiting()), file_(MakeFile("f", std::string(3 * 4096, 'x'))) {}

  const OpenFile file_;
};

TEST_F(CallTest, L3_AParkedTruncateIsDoneWhenThePinGoes) {
  const auto pin = Pin(file_.node, 2);
  const uint64_t truncate = kernel().SendTruncate(file_.node, 4096);
  AwaitParked(1);
  EXPECT_FALSE(kernel().HasReply(truncate));
  EXPECT_EQ(SizeOf(file_.node), 3 * 4096U);
  Unpin(file_.node, pin);
  EXPECT_EQ(kernel().Wait(truncate).error, 0);
  EXPECT_EQ(SizeOf(file_.node), 4096U);
  EXPECT_EQ(service().metrics().parked.load(), 1U);
}

TEST_F(CallTest, L3_MoreRequestsWaitThanThereAreThreads) {
  std::vector<OpenFile> files;
  std::vector<daxcore::PinId> pins;
  std::vector<uint64_t> requests;
  for (int i = 0; i < 100; ++i) {
    files.push_back(MakeFile("many" + std::to_string(i), "x"));
    pins.push_back(Pin(files.back().node, 0));
    requests.push_back(kernel().SendTruncate(files.back().node, 0));
  }
  AwaitParked(files.size());
  EXPECT_EQ(kernel().Read(file_.node, file_.handle, 0, 1).Text(), "x") << "others are served";
  for (size_t i = 0; i < files.size(); ++i) Unpin(files[i].node, pins[i]);
  for (const uint64_t request : requests) EXPECT_EQ(kernel().Wait(request).error, 0);
}

TEST_F(CallTest, L5_AnInterruptedRequestIsEintrAndChangedNothing) {
  const auto pin = Pin(file_.node, 2);
  const uint64_t truncate = kernel().SendTruncate(file_.node, 0);
  AwaitParked(1);
  kernel().Interrupt(truncate);
  EXPECT_EQ(kernel().Wait(truncate).error, EINTR);
  EXPECT_EQ(SizeOf(file_.node), 3 * 4096U);
  EXPECT_EQ(kernel().Read(file_.node, file_.handle, 4096, 4096).Text(), std::string(4096, 'x'));
  EXPECT_EQ(service().metrics().interrupted.load(), 1U);
  Unpin(file_.node, pin);
  EXPECT_EQ(kernel().Wait(kernel().SendTruncate(file_.node, 0)).error, 0);
}

TEST_F(CallTest, L5_InterruptsThatComeEarlyOrLateNeverLoseARequest) {
  const auto pin = Pin(file_.node, 2);
  for (int i = 0; i < 200; ++i) {
    const uint64_t truncate = kernel().SendTruncate(file_.node, 0);
    kernel().Interrupt(truncate);  // before, while or after it is parked
    EXPECT_EQ(kernel().Wait(truncate).error, EINTR);
  }
  Unpin(file_.node, pin);
  EXPECT_EQ(SizeOf(file_.node), 3 * 4096U);
}

TEST_F(CallTest, L5_AnInterruptOfWhatWasAnsweredIsOfNoEffect) {
  const uint64_t done = kernel().Send(FUSE_STATFS, kRoot);
  EXPECT_EQ(kernel().Wait(done).error, 0);
  const uint64_t interrupt = kernel().Interrupt(done);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(kernel().Attributes(kRoot).error, 0);
  // Not answered at all where it met its request between the reply and the end of its thread's
  // work.
  if (kernel().HasReply(interrupt)) {
    EXPECT_EQ(kernel().Wait(interrupt).error, EAGAIN);
  }
}

TEST_F(CallTest, L5_AnInterruptOfWhatNeverComesIsGivenBack) {
  const uint64_t interrupt = kernel().Interrupt(uint64_t{1} << 40);
  // Kept for a request that may still come, and given back when another comes instead.
  while (!kernel().HasReply(interrupt)) EXPECT_EQ(kernel().Attributes(kRoot).error, 0);
  EXPECT_EQ(kernel().Wait(interrupt).error, EAGAIN);
}

TEST_F(CallTest, L5_TheEndOfTheMountAnswersWhatWaits) {
  Pin(file_.node, 2);
  const uint64_t truncate = kernel().SendTruncate(file_.node, 0);
  AwaitParked(1);
  kernel().Call(FUSE_DESTROY, 0);
  Unmount();
  EXPECT_EQ(kernel().Wait(truncate).error, EINTR);
}

TEST_F(CallTest, AChannelThatBreaksUnderAParkedRequestEndsCleanly) {
  Pin(file_.node, 2);
  kernel().SendTruncate(file_.node, 0);
  AwaitParked(1);
  kernel().Close();
  ended().WaitForNotification();
  Unmount();
}

TEST_F(CallTest, TheCallerIsWhoTheKernelSays) {
  kernel().set_caller({.uid = 1000, .gid = 100, .pid = 7});
  const OpenFile mine = MakeFile("mine");
  const auto attributes = kernel().Attributes(mine.node).As<fuse_attr_out>().attr;
  EXPECT_EQ(attributes.uid, 1000U);
  EXPECT_EQ(attributes.gid, 100U);
}

}  // namespace
}  // namespace holdfast::daemon
