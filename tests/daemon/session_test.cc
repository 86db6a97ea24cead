// SPDX-License-Identifier: Apache-2.0
// A session from INIT to its end, and requests that no kernel should send.
#include "daemon/session.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {
namespace {

using SessionTest = FakeMount;

TEST_F(SessionTest, InitAgreesOnAProtocolAndOnSizes) {
  EXPECT_EQ(init().major, unsigned{FUSE_KERNEL_VERSION});
  EXPECT_GE(init().max_write, 1U << 17);
  EXPECT_EQ(init().time_gran, 1U) << "timestamps to the nanosecond";
  EXPECT_EQ(service().features().protocol_major, unsigned{FUSE_KERNEL_VERSION});
}

TEST_F(SessionTest, AnUnknownOperationIsEnosysAndHarmsNobody) {
  for (const uint32_t opcode : {uint32_t{0}, uint32_t{7}, uint32_t{100}, uint32_t{1} << 31}) {
    EXPECT_EQ(kernel().Call(opcode, kRoot, {"0123456789abcdef"}).error, ENOSYS) << opcode;
  }
  EXPECT_EQ(kernel().Attributes(kRoot).error, 0);
}

TEST_F(SessionTest, NodesThatNeverWereAreStale) {
  for (const uint64_t node : {uint64_t{0}, uint64_t{99}, uint64_t{1} << 40, ~uint64_t{0}}) {
    EXPECT_EQ(kernel().Attributes(node).error, ESTALE) << node;
    EXPECT_EQ(kernel().Open(node, 0).error, ESTALE) << node;
    EXPECT_EQ(kernel().Lookup(node, "x").error, ESTALE) << node;
  }
}

TEST_F(SessionTest, HandlesThatNeverWereDoNoHarm) {
  EXPECT_EQ(kernel().Read(99, 12345, 0, 10).error, ESTALE);
  EXPECT_EQ(kernel().Write(99, 12345, 0, "x").error, ESTALE);
  EXPECT_EQ(kernel().Release(99, 12345).error, 0);
  EXPECT_EQ(kernel().Attributes(kRoot).error, 0);
}

TEST_F(SessionTest, LessThanAHeaderEndsTheSession) {
  kernel().SendRaw("short");
  ended().WaitForNotification();
}

TEST_F(SessionTest, AClosedChannelEndsTheSession) {
  MakeFile("kept open");
  kernel().Close();
  ended().WaitForNotification();
}

TEST_F(SessionTest, DestroyIsAnsweredAndNothingAfterIt) {
  EXPECT_EQ(kernel().Call(FUSE_DESTROY, 0).error, 0);
  EXPECT_EQ(kernel().Attributes(kRoot).error, EIO);
}

TEST_F(SessionTest, StopEndsItWithFilesOpen) {
  const OpenFile file = MakeFile("f", "data");
  kernel().Unlink(kRoot, "f");
  EXPECT_EQ(kernel().Read(file.node, file.handle, 0, 4).Text(), "data");
  Unmount();
}

}  // namespace
}  // namespace holdfast::daemon
