// SPDX-License-Identifier: Apache-2.0
// Several metadata locks: each inode once, in order of number, never a deadlock.
#include "fsmeta/meta_locks.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "daxcore/event_loop.h"
#include "daxcore/page_table.h"

namespace holdfast::fsmeta {
namespace {

class MetaLocksTest : public testing::Test {
 protected:
  std::unique_ptr<daxcore::PageTable> pages_ =
      *daxcore::PageTable::Create(daxcore::BlockCount(16), daxcore::PageOrder::k4K);
  std::unique_ptr<daxcore::EventLoop> timer_ = *daxcore::EventLoop::Start();
  std::unique_ptr<daxcore::LayoutManager> layouts_ =
      *daxcore::LayoutManager::Create(*pages_, *timer_, {});
  LiveInodes live_{*layouts_, [](LiveInode&) {}};
};

TEST_F(MetaLocksTest, TheSameInodeTwiceIsLockedOnce) {
  MetaLocks locks;
  LiveInode* a = locks.Add(live_.Get(Ino(20)));
  EXPECT_EQ(locks.Add(live_.Get(Ino(20))), a);
  locks.Lock();
  EXPECT_TRUE(locks.Holds(*a));
  EXPECT_TRUE(locks.TryAdd(live_.Get(Ino(20))));
  locks.Unlock();
  EXPECT_FALSE(locks.Holds(*a));
}

TEST_F(MetaLocksTest, AddingBelowWhatIsHeldDoesNotWait) {
  const InodeRef low = live_.Get(Ino(20));
  MetaLocks locks;
  LiveInode* high = locks.Add(live_.Get(Ino(30)));
  locks.Lock();
  std::thread other([&] {
    absl::MutexLock lock(&low->meta);
    // Held by this thread while the main one asks for it.
    bool added = true;
    std::thread main([&] { added = locks.TryAdd(live_.Get(Ino(20))); });
    main.join();
    EXPECT_FALSE(added);
  });
  other.join();
  EXPECT_TRUE(locks.Holds(*high));
  EXPECT_FALSE(locks.Holds(*low));
  locks.Unlock();
  locks.Lock();
  EXPECT_TRUE(locks.Holds(*low));
}

TEST_F(MetaLocksTest, ReferencesOutliveTheLocks) {
  int evictions_with_lock = 0;
  LiveInodes live(*layouts_, [&](LiveInode& inode) {
    if (!inode.meta.TryLock()) {
      ++evictions_with_lock;
      return;
    }
    inode.meta.Unlock();
  });
  {
    MetaLocks locks;
    locks.Add(live.Get(Ino(20)));
    locks.Add(live.Get(Ino(21)));
    locks.Lock();
  }
  EXPECT_EQ(evictions_with_lock, 0);
  EXPECT_EQ(live.size(), 0U);
}

TEST_F(MetaLocksTest, CrossingThreadsFinish) {
  std::vector<std::thread> threads;
  uint64_t counters[6] = {};
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 3000; ++i) {
        const uint64_t first = random() % 6;
        const uint64_t second = random() % 6;
        MetaLocks locks;
        locks.Add(live_.Get(Ino(first)));
        locks.Lock();
        if (!locks.TryAdd(live_.Get(Ino(second)))) {
          locks.Unlock();
          locks.Lock();
        }
        ++counters[first];
        if (second != first) ++counters[second];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t sum = 0;
  for (const uint64_t counter : counters) sum += counter;
  EXPECT_GT(sum, 4U * 3000U);
}

}  // namespace
}  // namespace holdfast::fsmeta
