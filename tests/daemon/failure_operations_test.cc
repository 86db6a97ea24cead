// SPDX-License-Identifier: Apache-2.0
// Media failure made by hand (FAIL), as the kernel brings it and as its victims meet it.
#include "daemon/failure_operations.h"

#include <chrono>
#include <thread>

#include "daxcore/media_failure.h"
#include "tests/daemon/ioctl_fixture.h"

namespace holdfast::daemon {
namespace {

class FailureOperationsTest : public IoctlFixture {
 protected:
  int Fail(uint32_t what, uint64_t offset, uint64_t length) {
    auto wish = Sized<holdfast_fail>();
    wish.what = what;
    wish.offset = offset;
    wish.length = length;
    return Ask(file_, HOLDFAST_IOC_FAIL, wish).error;
  }
  /// Of the first block of the file, byte of the region.
  uint64_t Place() {
    const auto layout = Ask(file_, HOLDFAST_IOC_LAYOUT, Sized<holdfast_layout>());
    return Out<holdfast_layout>(layout).extents[0].region_offset;
  }
  bool BecomesKnown(uint64_t place) {
    for (int i = 0; i < 3000 && !volume().failure().IsBad(place, 1); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return volume().failure().IsBad(place, 1);
  }
  tests::FuseReply ReadAll() { return kernel().Read(file_.node, file_.handle, 0, kBytes); }
};

TEST_F(FailureOperationsTest, F1_WhoReadsFailedMemoryIsToldEioUntilItIsCleared) {
  const uint64_t place = Place();
  ASSERT_EQ(Fail(HOLDFAST_FAIL_INJECT, place, 1), 0);
  EXPECT_EQ(ReadAll().error, EIO) << "the answer could not be copied";
  EXPECT_TRUE(BecomesKnown(place)) << "which page it was is found out after the answer";
  EXPECT_EQ(ReadAll().error, EIO);
  ASSERT_EQ(Fail(HOLDFAST_FAIL_CLEAR, place, 1), 0);
  EXPECT_EQ(ReadAll().Text(), std::string(kBytes, 'x'));
}

TEST_F(FailureOperationsTest, F3_WhoHoldsAReportedPageIsToldAtOnce) {
  auto wish = Sized<holdfast_lease>();
  wish.length = kBytes;
  ASSERT_EQ(Ask(file_, HOLDFAST_IOC_LEASE, wish).error, 0);
  ASSERT_EQ(Fail(HOLDFAST_FAIL_REPORT, Place() + 4096, 1), 0);
  const auto events =
      Out<holdfast_events>(Ask(file_, HOLDFAST_IOC_EVENTS, Sized<holdfast_events>()));
  ASSERT_EQ(events.count, 1U);
  EXPECT_EQ(events.events[0].type, HOLDFAST_EVENT_FAILURE);
  EXPECT_EQ(events.events[0].offset, 4096U);
  EXPECT_EQ(events.events[0].length, 4096U);
}

TEST_F(FailureOperationsTest, F7_ARegionThatGoesAwayShutsTheFilesystemDown) {
  EXPECT_EQ(Fail(HOLDFAST_FAIL_REMOVE, 0, 1), EINVAL) << "it goes away whole";
  ASSERT_EQ(Fail(HOLDFAST_FAIL_REMOVE, 0, 0), 0);
  EXPECT_EQ(ReadAll().error, EIO);
  EXPECT_EQ(kernel().Create(kRoot, "new").error, EIO);
}

TEST_F(FailureOperationsTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(Fail(0, 0, 1), EOPNOTSUPP);
  EXPECT_EQ(Fail(HOLDFAST_FAIL_INJECT, 0, 0), EINVAL);
  EXPECT_EQ(Fail(HOLDFAST_FAIL_INJECT, volume().region().size(), 1), ENXIO);
  kernel().set_caller({.uid = 1000, .pid = static_cast<uint32_t>(getpid())});
  EXPECT_EQ(Fail(HOLDFAST_FAIL_INJECT, Place(), 1), EPERM);
}

}  // namespace
}  // namespace holdfast::daemon
