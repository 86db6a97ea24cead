// SPDX-License-Identifier: Apache-2.0
// Dirty entries, questions people ask, and the life of layouts.
#include "daxcore/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <utility>

#include "tests/daxcore/layout_fixture.h"
#include "tests/support/recorder.h"

namespace holdfast::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FlushTest : public LayoutTest {
 protected:
  FlushTest() { region_ = recorder_.MakeRegion(uint64_t{16} << 20); }
  // Ranges flushed by a full flush of inode 10, as blocks.
  std::vector<PfnRange> Flush(FileRange range = kWholeFile) {
    recorder_.Clear();
    {
      absl::ReaderMutexLock lock(&a_->layout_lock());
      manager_->FlushDirty(*a_, range, *region_);
    }
    std::vector<PfnRange> flushed;
    for (const RecordedEvent& event : recorder_.Events()) {
      if (event.kind != PersistEvent::kFlush) continue;
      flushed.push_back({Pfn(event.offset >> kBlockShift), BlocksFor(event.length)});
    }
    return flushed;
  }

  Recorder recorder_;
  std::unique_ptr<Region> region_;
};

TEST_F(FlushTest, E2_OnlyWhatWasMappedForWritingIsFlushed) {
  EXPECT_THAT(Flush(), IsEmpty());
  const LeaseId read = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), read, Blocks(0, 10)));
  EXPECT_THAT(Flush(), IsEmpty());
  const LeaseId write = MustLease(*a_, Client(1), Blocks(4, 6), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), write, Blocks(4, 6)));
  EXPECT_THAT(Flush(), ElementsAre(PfnRange{Pfn(1004), BlockCount(2)}));
}

TEST_F(FlushTest, E2_EntriesAWriterStillMapsStayDirty) {
  const LeaseId write = MustLease(*a_, Client(1), Blocks(0, 2), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), write, Blocks(0, 2)));
  EXPECT_EQ(Flush().size(), 1U);
  EXPECT_EQ(Flush().size(), 1U) << "it may have stored again";
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), write, kWholeFile));
  EXPECT_EQ(Flush().size(), 1U) << "its last stores";
  EXPECT_THAT(Flush(), IsEmpty());
}

TEST_F(FlushTest, E3_ACompoundIsFlushedWhole) {
  mapper_.Put(Ino(10), 512, 1024, 512);
  const LeaseId write = MustLease(*a_, Client(1), Blocks(512, 1024), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), write, Blocks(512, 1024)));
  EXPECT_THAT(Flush(Blocks(700, 701)), ElementsAre(PfnRange{Pfn(1024), BlockCount(512)}));
}

TEST_F(FlushTest, E4_TruncatedBlocksAreNotFlushed) {
  const LeaseId write = MustLease(*a_, Client(1), Blocks(0, 10), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), write, Blocks(0, 10)));
  ASSERT_TRUE(manager_->Return(*a_, SessionId(1), write, kWholeFile));
  Truncated(*a_, Blocks(4, 64));
  EXPECT_THAT(Flush(), ElementsAre(PfnRange{Pfn(1000), BlockCount(4)}));
}

// Calls the test whenever something is flushed.
class FlushObserver final : public Persist {
 public:
  explicit FlushObserver(std::function<void()> on_flush) : on_flush_(std::move(on_flush)) {}
  void Store(void*, const void*, size_t) override {}
  void Flush(const void*, size_t) override { on_flush_(); }
  void Drain() override {}
  void CopyNt(void*, const void*, size_t) override {}
  void ZeroNt(void*, size_t) override {}

 private:
  std::function<void()> on_flush_;
};

TEST_F(FlushTest, NoLockIsHeldWhileItFlushes) {
  // Everything a client may do meanwhile.
  int flushes = 0;
  FlushObserver observer([&] {
    std::async(std::launch::async, [&] {
      const PinId pin = MustPin(*b_, Client(2), Blocks(0, 1));
      EXPECT_TRUE(manager_->Unpin(*b_, SessionId(2), pin));
      const PinId same_file = MustPin(*a_, Client(2), Blocks(10, 11));
      EXPECT_TRUE(manager_->Unpin(*a_, SessionId(2), same_file));
      EXPECT_TRUE(Pin(*a_, Client(2), Blocks(0, 1)).error().blocked())
          << "what is being flushed stays as it is";
      ++flushes;
    }).get();
  });
  const LeaseId write = MustLease(*a_, Client(1), Blocks(0, 2), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), write, Blocks(0, 2)));
  auto region = Region::InMemory(uint64_t{16} << 20, &observer);
  absl::ReaderMutexLock lock(&a_->layout_lock());
  manager_->FlushDirty(*a_, kWholeFile, *region);
  EXPECT_EQ(flushes, 1);
  EXPECT_TRUE(manager_->Pin(*a_, {Client(2), Blocks(0, 1)}, mapper_)) << "flushed now";
}

using LayoutQuestionsTest = LayoutTest;

TEST_F(LayoutQuestionsTest, HoldersAreListedWithAllThatBusyShows) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10), true, true);
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 3)));
  MustPin(*b_, Client(2), Blocks(5, 7));
  auto holders = manager_->Holders();
  std::ranges::sort(holders, {}, [](const HolderInfo& h) { return h.ino; });
  ASSERT_EQ(holders.size(), 2U);
  EXPECT_EQ(holders[0].kind, HolderInfo::Kind::kLease);
  EXPECT_EQ(holders[0].holder, Client(1));
  EXPECT_EQ(holders[0].range, Blocks(0, 10));
  EXPECT_TRUE(holders[0].write);
  EXPECT_TRUE(holders[0].exclusive);
  EXPECT_EQ(holders[0].mapped, BlockCount(3));
  EXPECT_EQ(holders[0].id, lease.value());
  EXPECT_EQ(holders[1].kind, HolderInfo::Kind::kPin);
  EXPECT_EQ(holders[1].ino, Ino(20));
  EXPECT_EQ(holders[1].range, Blocks(5, 7));
  EXPECT_LE(holders[1].since, std::chrono::system_clock::now());
}

TEST_F(LayoutQuestionsTest, WaitersAreListedOnceAndUntilTheyAreOver) {
  MustPin(*a_, Client(1), Blocks(0, 1));
  {
    BreakAttempt truncate("truncate", 77);
    EXPECT_FALSE(Break(*a_, Blocks(0, 64), truncate));
    EXPECT_FALSE(Break(*a_, Blocks(0, 64), truncate));
    const auto waiters = manager_->Waiters();
    ASSERT_EQ(waiters.size(), 1U);
    EXPECT_EQ(waiters[0].operation, "truncate");
    EXPECT_EQ(waiters[0].pid, 77);
    EXPECT_EQ(waiters[0].ino, Ino(10));
    EXPECT_EQ(waiters[0].range, Blocks(0, 64));
  }
  EXPECT_THAT(manager_->Waiters(), IsEmpty());
}

TEST_F(LayoutQuestionsTest, PagesShowEntriesWithTheStateOfTheirPages) {
  mapper_.Punch(Ino(10), 4, 2);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  MustPin(*a_, Client(2), Blocks(7, 8));
  const auto pages = manager_->Pages(*a_, kWholeFile);
  ASSERT_EQ(pages.size(), 5U);
  EXPECT_EQ(pages[0].entry.run, (FileRun{FileBlock(0), Pfn(1000), BlockCount(4)}));
  EXPECT_EQ(pages[0].page.state, PageState::kOwned);
  EXPECT_EQ(pages[1].entry.flags, kEntryZero);
  EXPECT_EQ(pages[2].entry.run.length, BlockCount(1));
  EXPECT_EQ(pages[3].page.pins(), 1U);
  EXPECT_EQ(pages[3].page.references, 2U);
  EXPECT_EQ(pages[4].entry.run.index, FileBlock(8));
  EXPECT_THAT(manager_->Pages(*b_, kWholeFile), IsEmpty());
}

TEST_F(LayoutQuestionsTest, MetricsCountBreaksWaitsAndTimes) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 1));
  BreakAttempt attempt;
  ASSERT_TRUE(Park(Break(*a_, kWholeFile, attempt), &woken));
  timer_.Advance(std::chrono::seconds(3));
  manager_->CloseSession(*a_, SessionId(1));
  ASSERT_TRUE(Break(*a_, kWholeFile, attempt));
  const LayoutMetrics& metrics = manager_->metrics();
  EXPECT_EQ(metrics.breaks, 1U);
  EXPECT_EQ(metrics.waits, 1U);
  EXPECT_EQ(metrics.break_wait.count(), 1U);
  EXPECT_EQ(metrics.break_wait.sum_us(), 3'000'000U);
  EXPECT_EQ(metrics.break_wait.bucket(22), 1U) << "between 2^21 and 2^22 microseconds";
}

TEST_F(LayoutQuestionsTest, EvictionDropsEntriesAndLeavesNoTrace) {
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10), true);
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  manager_->CloseSession(*a_, SessionId(1));
  EXPECT_EQ(table_->Describe(Pfn(1000)).owner, Ino(10)) << "P10: entries stay";
  a_.reset();
  EXPECT_THAT(table_->FindLeaks(), IsEmpty());
  a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
  EXPECT_TRUE(a_->untouched());
}

TEST_F(LayoutQuestionsTest, AWaitMayOutliveItsInode) {
  int woken = 0;
  MustPin(*a_, Client(1), Blocks(0, 1));
  auto attempt = std::make_unique<BreakAttempt>();
  auto blocked = Break(*a_, kWholeFile, *attempt);
  manager_->CloseSession(*a_, SessionId(1));
  a_.reset();
  ASSERT_TRUE(Park(blocked, &woken));
  EXPECT_EQ(woken, 1);
  attempt.reset();
}

}  // namespace
}  // namespace holdfast::tests
