// SPDX-License-Identifier: Apache-2.0
// Sessions: whose they are, what they are told, and what ends them.
#include "daemon/direct_sessions.h"

#include <fcntl.h>
#include <poll.h>

#include <chrono>
#include <thread>

#include "daxcore/media_failure.h"
#include "tests/daemon/direct_fixture.h"

namespace holdfast::daemon {
namespace {

using daxcore::SessionId;

class DirectSessionsTest : public DirectFixture {
 protected:
  Handle New() { return service().handles().New(O_RDWR); }
  // Pins a block as `thread`; 0 if it may not.
  int PinAs(Handle handle, pid_t thread) {
    const auto holder = sessions().Enter(handle, file(), thread);
    if (!holder) return holder.error().code;
    const auto pin = filesystem().direct().Pin({}, file(), *holder,
                                               {.offset = 0, .length = daxcore::kBlockSize});
    return pin ? 0 : pin.error().code;
  }
  bool BecomesIdle() {
    for (int i = 0; i < 500 && HoldersNow() != 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return HoldersNow() == 0;
  }
};

TEST_F(DirectSessionsTest, ASessionBelongsToTheProcessThatBeganIt) {
  const Handle handle = New();
  EXPECT_EQ(sessions().SessionOf(handle), SessionId(0));
  EXPECT_EQ(sessions().Find(handle, getpid()).error().code, ENOENT);
  ASSERT_EQ(PinAs(handle, getpid()), 0);
  std::thread([&] { EXPECT_EQ(PinAs(handle, gettid()), 0); }).join();
  const pid_t child = StartChild();
  EXPECT_EQ(PinAs(handle, child), EPERM);
  EXPECT_EQ(sessions().Find(handle, child).error().code, EPERM);
  EXPECT_EQ(sessions().TakeEvents(handle, child, 1).error().code, EPERM);
  EXPECT_EQ(PinAs(New(), child), 0) << "through an open file of its own";
  EXPECT_EQ(PinAs(New(), 0), EPERM) << "a process of another pid namespace";
  EXPECT_EQ(HoldersNow(), 3u);
  Kill(child);
}

TEST_F(DirectSessionsTest, ClosingReturnsWhatWasTakenThroughThatFileOnly) {
  const Handle first = New();
  const Handle second = New();
  ASSERT_EQ(PinAs(first, getpid()), 0);
  ASSERT_EQ(PinAs(second, getpid()), 0);
  sessions().Close(first);
  EXPECT_EQ(HoldersNow(), 1u);
  EXPECT_EQ(sessions().SessionOf(first), SessionId(0));
  sessions().Close(first);
  sessions().Close(second);
  EXPECT_EQ(HoldersNow(), 0u);
}

TEST_F(DirectSessionsTest, L11_TheEndOfTheProcessReturnsEverythingWhoeverHasTheDescriptor) {
  const Handle first = New();
  const Handle second = New();
  const pid_t child = StartChild();
  ASSERT_EQ(PinAs(first, child), 0);
  ASSERT_EQ(PinAs(second, child), 0);
  EXPECT_EQ(HoldersNow(), 2u);
  Kill(child);
  EXPECT_TRUE(BecomesIdle());
  EXPECT_EQ(PinAs(first, getpid()), 0) << "whoever shares the open file may begin anew";
  sessions().Close(first);
  sessions().Close(second);
}

TEST_F(DirectSessionsTest, L1_ARecallIsQueuedAndWakesWhoPolls) {
  const Handle handle = New();
  int woken = 0;
  EXPECT_EQ(sessions().Poll(handle, file(), [&woken] { ++woken; }), 0);
  const auto holder = sessions().Enter(handle, file(), getpid());
  ASSERT_TRUE(holder);
  const auto lease = filesystem().direct().Lease({}, file(), *holder, {.length = kBytes});
  ASSERT_TRUE(lease);
  fsmeta::AttributeChange cut;
  cut.size = 0;
  EXPECT_FALSE(filesystem().SetAttributes({}, file(), cut));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(sessions().Poll(handle, file(), nullptr), POLLPRI);
  const auto taken = sessions().TakeEvents(handle, getpid(), HOLDFAST_EVENTS_MAX);
  ASSERT_TRUE(taken);
  ASSERT_EQ(taken->events.size(), 1u);
  EXPECT_EQ(taken->events[0].type, HOLDFAST_EVENT_RECALL);
  EXPECT_EQ(taken->events[0].lease, lease->value());
  EXPECT_EQ(taken->events[0].inode, file().value());
  EXPECT_GT(taken->events[0].deadline_ms, 0u);
  sessions().Close(handle);
  EXPECT_TRUE(filesystem().SetAttributes({}, file(), cut));
}

TEST_F(DirectSessionsTest, F3_AFailureIsQueuedForItsHolder) {
  const Handle handle = New();
  ASSERT_EQ(PinAs(handle, getpid()), 0);
  const SessionId session = sessions().SessionOf(handle);
  sessions().Failed(session, file(), {daxcore::FileBlock(0), daxcore::FileBlock(2)});
  EXPECT_EQ(sessions().Poll(handle, file(), nullptr), POLLERR);
  const auto taken = sessions().TakeEvents(handle, getpid(), 1);
  ASSERT_TRUE(taken && taken->events.size() == 1);
  EXPECT_EQ(taken->events[0].type, HOLDFAST_EVENT_FAILURE);
  EXPECT_EQ(taken->events[0].length, 2 * daxcore::kBlockSize);
  sessions().Failed(SessionId(999), file(), {});  // of a session that has just ended
  sessions().Close(handle);
}

TEST_F(DirectSessionsTest, F7_RemovalIsQueuedForItsHolder) {
  const Handle handle = New();
  ASSERT_EQ(PinAs(handle, getpid()), 0);
  ASSERT_TRUE(filesystem().volume().failure().NotifyRemoval());
  EXPECT_EQ(sessions().Poll(handle, file(), nullptr), POLLPRI);
  const auto taken = sessions().TakeEvents(handle, getpid(), HOLDFAST_EVENTS_MAX);
  ASSERT_TRUE(taken && taken->events.size() == 1);
  EXPECT_EQ(taken->events[0].type, HOLDFAST_EVENT_REMOVE);
  EXPECT_EQ(taken->events[0].inode, file().value());
  sessions().Close(handle);
}

TEST_F(DirectSessionsTest, OnlyStoringSessionsAreMarked) {
  const Handle handle = New();
  sessions().MarkStoring(handle);
  EXPECT_FALSE(sessions().IsStoring(handle));
  ASSERT_EQ(PinAs(handle, getpid()), 0);
  EXPECT_FALSE(sessions().IsStoring(handle));
  sessions().MarkStoring(handle);
  EXPECT_TRUE(sessions().IsStoring(handle));
  sessions().Close(handle);
}

}  // namespace
}  // namespace holdfast::daemon
