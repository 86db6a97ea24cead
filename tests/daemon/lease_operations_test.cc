// SPDX-License-Identifier: Apache-2.0
// Leases, pins, events and poll over the protocol: rules L1, L3, L12.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "tests/daemon/ioctl_fixture.h"

namespace holdfast::daemon {
namespace {

using tests::FuseReply;

class LeaseOperationsTest : public IoctlFixture {
 protected:
  explicit LeaseOperationsTest(Options options = Waiting()) : IoctlFixture(std::move(options)) {}

  static Options Waiting() {
    Options options;
    options.layout.busy_policy = daxcore::BusyPolicy::kWait;
    return options;
  }
  static holdfast_lease Lease(uint64_t offset, uint64_t length, uint32_t flags = 0) {
    auto lease = Sized<holdfast_lease>();
    lease.offset = offset;
    lease.length = length;
    lease.flags = flags;
    return lease;
  }
  static holdfast_pin PinOf(uint64_t offset, uint64_t length, uint32_t flags = 0) {
    auto pin = Sized<holdfast_pin>();
    pin.offset = offset;
    pin.length = length;
    pin.flags = flags;
    return pin;
  }
  uint64_t MustLease(const OpenFile& file, const holdfast_lease& wish) {
    const FuseReply reply = Ask(file, HOLDFAST_IOC_LEASE, wish);
    EXPECT_EQ(reply.error, 0);
    EXPECT_GT(Out<holdfast_lease>(reply).break_seconds, 0U);
    return Out<holdfast_lease>(reply).lease;
  }
  FuseReply GiveBack(uint64_t lease, uint64_t offset = 0, uint64_t length = 0) {
    auto argument = Lease(offset, length);
    argument.lease = lease;
    return Ask(file_, HOLDFAST_IOC_RETURN, argument);
  }
  FuseReply LayoutUnder(uint64_t lease, uint64_t length = kBytes) {
    auto layout = Sized<holdfast_layout>();
    layout.lease = lease;
    layout.length = length;
    return Ask(file_, HOLDFAST_IOC_LAYOUT, layout);
  }
  size_t HoldersNow() { return volume().layouts().Holders().size(); }
  uint32_t PollOnce(uint64_t kernel_handle) {
    fuse_poll_in in{};
    in.fh = file_.handle;
    in.kh = kernel_handle;
    in.flags = FUSE_POLL_SCHEDULE_NOTIFY;
    in.events = POLLIN | POLLPRI;
    return kernel().Call(FUSE_POLL, file_.node, {tests::BytesOf(in)}).As<fuse_poll_out>().revents;
  }
};

TEST_F(LeaseOperationsTest, L1_LeaseMapRecallReturn) {
  const uint64_t lease = MustLease(file_, Lease(0, kBytes));
  const FuseReply mapped = LayoutUnder(lease);
  ASSERT_EQ(mapped.error, 0);
  const auto layout = Out<holdfast_layout>(mapped);
  ASSERT_GE(layout.count, 1U);
  EXPECT_NE(layout.extents[0].region_offset, 0U);
  EXPECT_EQ(layout.next, kBytes);

  EXPECT_EQ(PollOnce(77) & (POLLPRI | POLLERR), 0U);
  const uint64_t truncate = kernel().SendTruncate(file_.node, 0);
  AwaitParked(1);
  const auto& told = kernel().notifications();
  const auto woken = [&] { return std::ranges::find(told, int{FUSE_NOTIFY_POLL}) != told.end(); };
  while (!woken()) EXPECT_FALSE(kernel().HasReply(truncate));
  EXPECT_NE(PollOnce(77) & POLLPRI, 0U);

  const auto events =
      Out<holdfast_events>(Ask(file_, HOLDFAST_IOC_EVENTS, Sized<holdfast_events>()));
  ASSERT_EQ(events.count, 1U);
  EXPECT_EQ(events.more, 0U);
  EXPECT_EQ(events.events[0].type, HOLDFAST_EVENT_RECALL);
  EXPECT_EQ(events.events[0].lease, lease);
  EXPECT_EQ(events.events[0].inode, file_.node);
  EXPECT_EQ(GiveBack(lease).error, 0);
  EXPECT_EQ(kernel().Wait(truncate).error, 0);
  EXPECT_EQ(HoldersNow(), 0U);
}

TEST_F(LeaseOperationsTest, ALeaseIsGivenBackInPartsAndOnlyOnce) {
  const uint64_t lease = MustLease(file_, Lease(0, kBytes));
  EXPECT_EQ(GiveBack(lease, 0, 4096).error, 0);
  EXPECT_EQ(LayoutUnder(lease, 4096).error, EINVAL) << "that part is gone";
  EXPECT_EQ(GiveBack(lease).error, 0);
  EXPECT_EQ(GiveBack(lease).error, ENOENT);
  EXPECT_EQ(LayoutUnder(lease).error, ENOENT);
  EXPECT_EQ(GiveBack(987654321).error, ENOENT);
}

TEST_F(LeaseOperationsTest, WhatIsWrongWithALeaseIsSaidAndNothingIsHeld) {
  const auto error_of = [this](holdfast_lease wish) {
    return Ask(file_, HOLDFAST_IOC_LEASE, wish).error;
  };
  EXPECT_EQ(error_of(Lease(0, 0)), EINVAL);
  EXPECT_EQ(error_of(Lease(4096, ~uint64_t{0})), EINVAL);
  EXPECT_EQ(error_of(Lease(uint64_t{1} << 60, 1)), EINVAL);
  EXPECT_EQ(error_of(Lease(0, 4096, 128)), EOPNOTSUPP);
  auto wish = Lease(0, 4096);
  wish.lease = 1;
  EXPECT_EQ(error_of(wish), EINVAL);
  wish = Lease(0, 4096);
  wish.reserved = 1;
  EXPECT_EQ(error_of(wish), EINVAL);
  EXPECT_EQ(HoldersNow(), 0U);
}

TEST_F(LeaseOperationsTest, WhatIsWrongWithAPinIsSaidAndNothingIsHeld) {
  const auto error_of = [this](holdfast_pin wish) {
    return Ask(file_, HOLDFAST_IOC_PIN, wish).error;
  };
  EXPECT_EQ(error_of(PinOf(0, 0)), EINVAL);
  EXPECT_EQ(error_of(PinOf(4096, ~uint64_t{0})), EINVAL);
  EXPECT_EQ(error_of(PinOf(0, 4096, 128)), EOPNOTSUPP);
  EXPECT_EQ(error_of(PinOf(0, 4096, HOLDFAST_PIN_LONG_TERM)), EOPNOTSUPP) << "L12: no lease";
  EXPECT_EQ(error_of(PinOf(kBytes, 4096)), EINVAL) << "past the end";
  ASSERT_EQ(kernel().Wait(kernel().SendTruncate(file_.node, 2 * kBytes)).error, 0);
  EXPECT_EQ(error_of(PinOf(kBytes, 4096)), ENXIO) << "a hole";
  auto wish = PinOf(0, 4096);
  wish.pin = 1;
  EXPECT_EQ(error_of(wish), EINVAL);
  EXPECT_EQ(HoldersNow(), 0U);
}

TEST_F(LeaseOperationsTest, TheFileIsOpenForWhatIsWished) {
  const OpenFile reader = OpenAgain(O_RDONLY);
  const OpenFile writer = OpenAgain(O_WRONLY);
  EXPECT_EQ(Ask(reader, HOLDFAST_IOC_LEASE, Lease(0, 4096, HOLDFAST_LEASE_WRITE)).error, EBADF);
  EXPECT_EQ(Ask(writer, HOLDFAST_IOC_LEASE, Lease(0, 4096)).error, EBADF);
  EXPECT_EQ(Ask(writer, HOLDFAST_IOC_PIN, PinOf(0, 4096)).error, EBADF);
  EXPECT_EQ(Ask(reader, HOLDFAST_IOC_PIN, PinOf(0, 4096, HOLDFAST_PIN_WRITE)).error, EBADF);
  EXPECT_EQ(Ask(writer, HOLDFAST_IOC_PIN, PinOf(0, 4096, HOLDFAST_PIN_WRITE)).error, 0);
  EXPECT_EQ(Ask(reader, HOLDFAST_IOC_LEASE, Lease(0, 4096)).error, 0);
  EXPECT_EQ(Ask(writer, HOLDFAST_IOC_LEASE, Lease(4096, 4096, HOLDFAST_LEASE_WRITE)).error, 0);
}

TEST_F(LeaseOperationsTest, L3_APinIsWaitedForUntilItGoes) {
  const FuseReply reply = Ask(file_, HOLDFAST_IOC_PIN, PinOf(4096, 4096));
  ASSERT_EQ(reply.error, 0);
  auto pin = PinOf(0, 0);
  pin.pin = Out<holdfast_pin>(reply).pin;
  const uint64_t truncate = kernel().SendTruncate(file_.node, 0);
  AwaitParked(1);
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_UNPIN, pin).error, 0);
  EXPECT_EQ(kernel().Wait(truncate).error, 0);
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_UNPIN, pin).error, ENOENT);
}

TEST_F(LeaseOperationsTest, L12_ALongTermPinIsTakenUnderALease) {
  MustLease(file_, Lease(0, kBytes));
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_PIN, PinOf(0, 4096, HOLDFAST_PIN_LONG_TERM)).error, 0);
}

TEST_F(LeaseOperationsTest, ClosingTheFileReturnsEverything) {
  const OpenFile mine = OpenAgain(O_RDWR);
  MustLease(mine, Lease(0, kBytes));
  EXPECT_EQ(Ask(mine, HOLDFAST_IOC_PIN, PinOf(0, 4096)).error, 0);
  EXPECT_EQ(HoldersNow(), 2U);
  EXPECT_EQ(kernel().Release(mine.node, mine.handle).error, 0);
  while (HoldersNow() != 0) std::this_thread::yield();
}

TEST_F(LeaseOperationsTest, WhoTookNothingHasNoEvents) {
  const FuseReply reply = Ask(file_, HOLDFAST_IOC_EVENTS, Sized<holdfast_events>());
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(Out<holdfast_events>(reply).count, 0U);
}

class CachedLeaseTest : public LeaseOperationsTest {
 protected:
  CachedLeaseTest() : LeaseOperationsTest(Cached()) {}
  static Options Cached() {
    Options options = Waiting();
    options.cache = CacheMode::kWriteback;
    return options;
  }
};

TEST_F(CachedLeaseTest, NothingIsHeldWhereTheKernelKeepsDirtyPages) {
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_LEASE, Lease(0, 4096)).error, EOPNOTSUPP);
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_PIN, PinOf(0, 4096)).error, EOPNOTSUPP);
}

}  // namespace
}  // namespace holdfast::daemon
