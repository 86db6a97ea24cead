// SPDX-License-Identifier: Apache-2.0
// Who is in core and for how long, and that leaving runs once for each time nobody is left.
#include "fsmeta/live_inodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "daxcore/event_loop.h"
#include "daxcore/page_table.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::BlockCount;
using testing::ElementsAre;

class LiveInodesTest : public testing::Test {
 protected:
  void OnEvict(std::function<void(LiveInode&)> fn) { on_evict_ = std::move(fn); }

  std::unique_ptr<daxcore::PageTable> pages_ =
      *daxcore::PageTable::Create(BlockCount(16), daxcore::PageOrder::k4K);
  std::unique_ptr<daxcore::EventLoop> timer_ = *daxcore::EventLoop::Start();
  std::unique_ptr<daxcore::LayoutManager> layouts_ =
      *daxcore::LayoutManager::Create(*pages_, *timer_, {});
  std::vector<uint64_t> evicted_;
  std::function<void(LiveInode&)> on_evict_;
  LiveInodes live_{*layouts_, [this](LiveInode& inode) {
                     evicted_.push_back(inode.ino.value());
                     if (on_evict_) on_evict_(inode);
                   }};
};

TEST_F(LiveInodesTest, ReferencesKeepOneObjectInCore) {
  {
    const InodeRef a = live_.Get(Ino(20));
    InodeRef b = live_.Get(Ino(20));
    EXPECT_EQ(a.get(), b.get());
    b = live_.Get(Ino(21));  // drops one of two references to 20
    EXPECT_TRUE(live_.Find(Ino(20)));
    EXPECT_EQ(live_.size(), 2U);
    EXPECT_TRUE(evicted_.empty());
  }
  EXPECT_THAT(evicted_, testing::UnorderedElementsAre(20, 21));
  EXPECT_EQ(live_.size(), 0U);
  EXPECT_FALSE(live_.Find(Ino(20)));
}

TEST_F(LiveInodesTest, LookupsAndOpenHandlesKeepItToo) {
  {
    const InodeRef inode = live_.Get(Ino(20));
    live_.AddLookup(*inode);
    live_.AddLookup(*inode);
    live_.AddOpen(*inode);
  }
  live_.Forget(Ino(20), 1);
  live_.Forget(Ino(20), 1);
  EXPECT_TRUE(evicted_.empty());
  live_.DropOpen(Ino(20));
  EXPECT_THAT(evicted_, ElementsAre(20));
}

TEST_F(LiveInodesTest, ForgettingTooMuchIsHarmless) {
  {
    const InodeRef inode = live_.Get(Ino(20));
    live_.AddLookup(*inode);
    live_.Forget(Ino(20), 1000);
    EXPECT_TRUE(evicted_.empty());
  }
  live_.Forget(Ino(20), 1);
  live_.DropOpen(Ino(20));
  EXPECT_THAT(evicted_, ElementsAre(20));
}

TEST_F(LiveInodesTest, WhoIsFoundWhileLeavingStays) {
  InodeRef found;
  OnEvict([&](LiveInode& inode) {
    if (evicted_.size() == 1) found = live_.Find(inode.ino);
  });
  live_.Get(Ino(20));
  ASSERT_TRUE(found);
  EXPECT_THAT(evicted_, ElementsAre(20));
  EXPECT_EQ(live_.Get(Ino(20)).get(), found.get());
  found = InodeRef();
  EXPECT_THAT(evicted_, ElementsAre(20, 20));
  EXPECT_EQ(live_.size(), 0U);
}

TEST_F(LiveInodesTest, LeavingRunsAgainForWhoCameAndWentMeanwhile) {
  OnEvict([&](LiveInode& inode) {
    if (evicted_.size() == 1) live_.Get(inode.ino);  // may have left lazy times
  });
  live_.Get(Ino(20));
  EXPECT_THAT(evicted_, ElementsAre(20, 20));
  EXPECT_EQ(live_.size(), 0U);
}

TEST_F(LiveInodesTest, ForEachSeesAllAndForgetAllEmpties) {
  for (uint64_t ino = 20; ino < 220; ++ino) live_.AddLookup(*live_.Get(Ino(ino)));
  std::vector<uint64_t> seen;
  live_.ForEach([&](LiveInode& inode) { seen.push_back(inode.ino.value()); });
  EXPECT_EQ(seen.size(), 200U);
  EXPECT_TRUE(evicted_.empty());
  live_.ForgetAll();
  EXPECT_EQ(evicted_.size(), 200U);
  EXPECT_EQ(live_.size(), 0U);
}

// Each number is only ever in Evict on one thread, and never with a stale object.
TEST(LiveInodesStressTest, ManyThreadsOnFewNumbers) {
  auto pages = *daxcore::PageTable::Create(BlockCount(16), daxcore::PageOrder::k4K);
  auto timer = *daxcore::EventLoop::Start();
  auto layouts = *daxcore::LayoutManager::Create(*pages, *timer, {});
  std::array<std::atomic<int>, 4> leaving{};
  std::atomic<bool> overlapped = false;
  LiveInodes live(*layouts, [&](LiveInode& inode) {
    auto& here = leaving[inode.ino.value()];
    if (here.fetch_add(1) != 0) overlapped = true;
    std::this_thread::yield();
    here.fetch_sub(1);
  });
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&live, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 5000; ++i) {
        const InodeRef inode = live.Get(Ino(random() % 4));
        if (random() % 2 == 0) {
          live.AddLookup(*inode);
          live.Forget(inode->ino, 1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(live.size(), 0U);
}

}  // namespace
}  // namespace holdfast::fsmeta
