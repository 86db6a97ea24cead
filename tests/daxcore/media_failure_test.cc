// SPDX-License-Identifier: Apache-2.0
// Failed memory: rules F1 to F8 and C5.
#include "daxcore/media_failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/daxcore/layout_fixture.h"
#include "tests/support/recorder.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A filesystem that owns what the test says, with two live inodes.
class FakeHolder final : public FailureHolder {
 public:
  Result<std::vector<PageOwner>> OwnersOf(PfnRange pages) override {
    asked.push_back(pages);
    if (fail_with != 0) return Fail(fail_with);
    return owners;
  }
  void WithLiveInode(Ino ino, const std::function<void(InodeLayout&)>& fn) override {
    looked_for.push_back(ino.value());
    if (const auto it = live.find(ino); it != live.end()) fn(*it->second);
  }
  void Shutdown(const std::string& reason) override { steps.push_back("shutdown: " + reason); }
  void Freeze() override { steps.push_back("freeze"); }
  void Thaw() override { steps.push_back("thaw"); }

  std::vector<PageOwner> owners;
  std::map<Ino, InodeLayout*> live;
  int fail_with = 0;
  std::vector<PfnRange> asked;
  std::vector<uint64_t> looked_for;
  std::vector<std::string> steps;
};

class MediaFailureTest : public LayoutTest {
 protected:
  static constexpr uint64_t kSize = uint64_t{16} << 20;  // 4096 pages

  MediaFailureTest() {
    region_ = Region::InMemory(kSize);
    const std::vector<char> ones(kSize, 1);
    region_->persist().CopyNt(region_->Target(0), ones.data(), kSize);
    failure_ = *MediaFailure::Watch(*region_);
    holder_.live = {{Ino(10), a_.get()}, {Ino(20), b_.get()}};
  }
  void Attach() { failure_->Attach(&holder_, manager_.get()); }
  std::byte PlainLoad(uint64_t offset) {
    const volatile std::byte* const p = region_->At(offset);
    const std::byte value = *p;
    return value;
  }
  static PageOwner Data(uint64_t ino, uint64_t index, uint64_t pfn, uint64_t n) {
    return {{FileBlock(index), Pfn(pfn), BlockCount(n)}, Ino(ino), false};
  }

  std::unique_ptr<Region> region_;
  std::unique_ptr<MediaFailure> failure_;
  FakeHolder holder_;
  std::vector<char> buffer_ = std::vector<char>(4 * kBlockSize, 9);
};

TEST_F(MediaFailureTest, F1_ReadingABadPageIsEio) {
  ASSERT_TRUE(failure_->Inject(5 * kBlockSize, 1));
  EXPECT_FALSE(failure_->IsBad(5 * kBlockSize, 1)) << "nobody has met it yet";
  const auto result = failure_->CopyOut(buffer_.data(), 4 * kBlockSize, 3 * kBlockSize);
  EXPECT_EQ(result.error().code, EIO);
  EXPECT_TRUE(failure_->IsBad(5 * kBlockSize + 4095, 1));
  EXPECT_THAT(failure_->CheckReadable(0, kSize).error().message, HasSubstr("offset 20480"));
  EXPECT_TRUE(failure_->CopyOut(buffer_.data(), 6 * kBlockSize, kBlockSize));
  EXPECT_EQ(buffer_[0], 1);
}

TEST_F(MediaFailureTest, F1_EveryVerbAnswersEio) {
  ASSERT_TRUE(failure_->Inject(5 * kBlockSize, 1));
  const uint64_t bad = 5 * kBlockSize;
  EXPECT_EQ(failure_->CopyNt(bad, buffer_.data(), 100).error().code, EIO);
  ASSERT_TRUE(failure_->Clear(bad, 1));
  ASSERT_TRUE(failure_->Inject(bad, 1));
  EXPECT_EQ(failure_->ZeroNt(bad, 100).error().code, EIO);
  ASSERT_TRUE(failure_->Clear(bad, 1));
  ASSERT_TRUE(failure_->Inject(bad, 1));
  EXPECT_EQ(failure_->Store(bad + 8, buffer_.data(), 8).error().code, EIO);
  ASSERT_TRUE(failure_->Clear(bad, 1));
  ASSERT_TRUE(failure_->Inject(bad, 1));
  EXPECT_EQ(failure_->CopyWithin(bad, 0, 100).error().code, EIO);
  EXPECT_EQ(failure_->CopyWithin(0, bad, 100).error().code, EIO);
}

TEST_F(MediaFailureTest, F1_TheRecorderHoldsNoLockWhenAPageFails) {
  Recorder recorder;
  auto region = recorder.MakeRegion(kSize);
  auto failure = *MediaFailure::Watch(*region);
  ASSERT_TRUE(failure->Inject(0, 1));
  EXPECT_EQ(failure->CopyNt(0, buffer_.data(), 100).error().code, EIO);
  EXPECT_TRUE(failure->CopyNt(kBlockSize, buffer_.data(), 100));
  EXPECT_EQ(recorder.Events().size(), 1U) << "what did not happen is not on record";
}

TEST_F(MediaFailureTest, F1_NewlyMetPagesAreReportedOnce) {
  ASSERT_TRUE(failure_->Inject(5 * kBlockSize, 2 * kBlockSize));
  EXPECT_THAT(failure_->TakeNewlyMet(), IsEmpty());
  for (int i = 0; i < 2; ++i) {
    (void)failure_->CopyOut(buffer_.data(), 5 * kBlockSize, kBlockSize);
    (void)failure_->CopyOut(buffer_.data(), 6 * kBlockSize, kBlockSize);
  }
  pollfd event{failure_->event_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 0), 1);
  const auto met = failure_->TakeNewlyMet();
  ASSERT_EQ(met.size(), 1U);
  EXPECT_EQ(met[0].offset, 5 * kBlockSize);
  EXPECT_EQ(met[0].length, 2 * kBlockSize);
  EXPECT_THAT(failure_->TakeNewlyMet(), IsEmpty());
}

TEST_F(MediaFailureTest, F1_APageIsKnownToWhoMetItWhileAnotherThreadLearnsOfIt) {
  std::atomic<bool> done{false};
  std::thread watch([&] {
    while (!done) failure_->TakeNewlyMet();
  });
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(failure_->Inject(5 * kBlockSize, 1));
    EXPECT_EQ(failure_->CopyNt(5 * kBlockSize, buffer_.data(), 100).error().code, EIO);
    EXPECT_TRUE(failure_->IsBad(5 * kBlockSize, 1)) << "round " << i;
    EXPECT_TRUE(failure_->Clear(5 * kBlockSize, 1));
  }
  done = true;
  watch.join();
}

TEST_F(MediaFailureTest, F1_APlainLoadDoesNotKillAndMakesThePageKnown) {
  ASSERT_TRUE(failure_->Inject(7 * kBlockSize, 1));
  EXPECT_EQ(PlainLoad(7 * kBlockSize), std::byte{0});
  EXPECT_EQ(failure_->poisoned_loads(), 1U);
  EXPECT_EQ(failure_->CopyOut(buffer_.data(), 7 * kBlockSize, 1).error().code, EIO)
      << "the zeroes that stand there now are nobody's data";
}

TEST_F(MediaFailureTest, F2_EveryCloneOfASharedPageIsTold) {
  Attach();
  MustPin(*a_, Client(1), Blocks(4, 8));
  MustPin(*b_, Client(2), Blocks(30, 34));
  holder_.owners = {Data(10, 4, 1004, 1), Data(20, 33, 1004, 1)};
  ASSERT_TRUE(failure_->Notify(ByteOffset(Pfn(1004)), kBlockSize));
  EXPECT_THAT(holder_.looked_for, ElementsAre(10, 20));
  EXPECT_THAT(events_.lines, ElementsAre("failed 1 10 4-5", "failed 2 20 33-34"));
}

TEST_F(MediaFailureTest, F2_HoldersOfPagesThatLeftTheirFileAreFoundByThePage) {
  Attach();
  MustPin(*a_, Client(1), Blocks(4, 8));
  {
    BreakAttempt now;
    now.OverridePolicy(BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
    absl::MutexLock lock(&a_->layout_lock());
    const auto outcome = manager_->Break(*a_, kWholeFile, BreakReason::kUnmap, now);
    ASSERT_TRUE(outcome);
    manager_->Quarantine(*a_, outcome->BusyPartsOf({FileBlock(0), Pfn(1000), BlockCount(64)}),
                         *outcome);
    manager_->DropEntries(*a_, kWholeFile, Drop::kTruncate);
  }
  ASSERT_TRUE(failure_->Notify(ByteOffset(Pfn(1005)), 1));
  EXPECT_THAT(events_.lines, ElementsAre("failed 1 10 5-6"));
  EXPECT_THAT(store_.released, ElementsAre(PfnRange{Pfn(1005), BlockCount(1)}));
}

TEST_F(MediaFailureTest, F3_HoldersAreToldAndTheirReferencesDropped) {
  Attach();
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  MustPin(*a_, Client(2), Blocks(4, 6));
  MustPin(*a_, Client(3), Blocks(20, 30));
  holder_.owners = {Data(10, 4, 1004, 1)};
  ASSERT_TRUE(failure_->Notify(ByteOffset(Pfn(1004)), 1));
  EXPECT_THAT(events_.lines, ElementsAre("failed 1 10 4-5", "failed 2 10 4-5"));
  EXPECT_EQ(References(1004), 0U);
  EXPECT_EQ(References(1005), 2U) << "its neighbour is still held";
  EXPECT_EQ(manager_->metrics().holders_told, 2U);
  // What is left is given back as ever.
  EXPECT_TRUE(manager_->Return(*a_, SessionId(1), lease, kWholeFile));
}

TEST_F(MediaFailureTest, F3_FurtherAccessIsEio) {
  Attach();
  ASSERT_TRUE(failure_->Notify(5 * kBlockSize, 1));
  EXPECT_EQ(failure_->CopyOut(buffer_.data(), 5 * kBlockSize, 1).error().code, EIO);
}

TEST_F(MediaFailureTest, F4_BoundsAreInclusive) {
  Attach();
  ASSERT_TRUE(failure_->Notify(kBlockSize - 1, 2));
  EXPECT_EQ(holder_.asked.back(), (PfnRange{Pfn(0), BlockCount(2)}));
  ASSERT_TRUE(failure_->Notify(3 * kBlockSize, kBlockSize));
  EXPECT_EQ(holder_.asked.back(), (PfnRange{Pfn(3), BlockCount(1)}));
  ASSERT_TRUE(failure_->Notify(3 * kBlockSize, kBlockSize + 1));
  EXPECT_EQ(holder_.asked.back(), (PfnRange{Pfn(3), BlockCount(2)})) << "the last block counts";
  ASSERT_TRUE(failure_->Notify(kSize - 1, 1));
  EXPECT_EQ(holder_.asked.back(), (PfnRange{Pfn(kSize / kBlockSize - 1), BlockCount(1)}));
  EXPECT_TRUE(failure_->IsBad(kSize - kBlockSize, 1));
  EXPECT_FALSE(failure_->IsBad(kSize - kBlockSize - 1, 1));
}

TEST_F(MediaFailureTest, F4_BeyondTheRegionIsEnxioAndWhatReachesOutIsCut) {
  Attach();
  EXPECT_EQ(failure_->Notify(kSize, 1).error().code, ENXIO);
  EXPECT_EQ(failure_->Notify(UINT64_MAX, UINT64_MAX).error().code, ENXIO);
  EXPECT_EQ(failure_->Notify(0, 0).error().code, EINVAL);
  EXPECT_THAT(holder_.asked, IsEmpty());
  ASSERT_TRUE(failure_->Notify(kSize - kBlockSize, UINT64_MAX));
  EXPECT_EQ(holder_.asked.back().length, BlockCount(1));
}

TEST_F(MediaFailureTest, F4_BeforeTheMountIsCompleteItIsEio) {
  EXPECT_EQ(failure_->Notify(0, 1).error().code, EIO);
  EXPECT_EQ(failure_->NotifyRemoval().error().code, EIO);
  Attach();
  EXPECT_TRUE(failure_->Notify(0, 1));
  failure_->Attach(nullptr, nullptr);
  EXPECT_EQ(failure_->Notify(0, 1).error().code, EIO);
}

TEST_F(MediaFailureTest, F5_MetadataShutsTheFilesystemDown) {
  Attach();
  const std::vector<std::byte> before(region_->base(), region_->base() + kSize);
  MustPin(*a_, Client(1), Blocks(4, 5));
  holder_.owners = {PageOwner{{FileBlock(0), Pfn(3), BlockCount(1)}, Ino(0), true},
                    Data(10, 4, 1004, 1)};
  ASSERT_TRUE(failure_->Notify(3 * kBlockSize, kBlockSize));
  ASSERT_EQ(holder_.steps.size(), 1U);
  EXPECT_THAT(holder_.steps[0], HasSubstr("offset 12288"));
  EXPECT_THAT(events_.lines, ElementsAre("failed 1 10 4-5")) << "data owners are told as well";
  EXPECT_EQ(std::memcmp(before.data(), region_->base(), kSize), 0) << "the medium is untouched";
}

TEST_F(MediaFailureTest, F5_OwnersThatCannotBeFoundShutDownToo) {
  Attach();
  holder_.fail_with = EUCLEAN;
  ASSERT_TRUE(failure_->Notify(3 * kBlockSize, kBlockSize));
  ASSERT_EQ(holder_.steps.size(), 1U);
  EXPECT_THAT(holder_.steps[0], HasSubstr("cannot be found"));
}

TEST_F(MediaFailureTest, F6_AWholeBlockOverwriteRepairs) {
  Attach();
  ASSERT_TRUE(failure_->Inject(5 * kBlockSize, kBlockSize));
  EXPECT_FALSE(failure_->CopyOut(buffer_.data(), 5 * kBlockSize, 1));
  ASSERT_TRUE(failure_->PrepareOverwrite(Pfn(5), BlockCount(1)));
  EXPECT_TRUE(failure_->CopyNt(5 * kBlockSize, buffer_.data(), kBlockSize));
  EXPECT_THAT(failure_->BadRanges(), IsEmpty());
  std::vector<char> back(kBlockSize);
  ASSERT_TRUE(failure_->CopyOut(back.data(), 5 * kBlockSize, kBlockSize));
  EXPECT_EQ(back[0], buffer_[0]);
}

TEST_F(MediaFailureTest, F6_APartialOverwriteIsEio) {
  Attach();
  ASSERT_TRUE(failure_->Notify(5 * kBlockSize, 1));
  EXPECT_EQ(failure_->CopyNt(5 * kBlockSize + 100, buffer_.data(), 50).error().code, EIO);
  EXPECT_TRUE(failure_->IsBad(5 * kBlockSize, 1));
}

TEST_F(MediaFailureTest, F6_ClearingWorksAfterAPlainLoadCoveredThePage) {
  ASSERT_TRUE(failure_->Inject(7 * kBlockSize, 1));
  PlainLoad(7 * kBlockSize);
  ASSERT_TRUE(failure_->Clear(7 * kBlockSize, 1));
  EXPECT_EQ(*region_->At(7 * kBlockSize), std::byte{1}) << "the file's own byte is back";
}

TEST_F(MediaFailureTest, F7_RemovalFreezesTellsDropsShutsDownThaws) {
  Attach();
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(0, 10), /*write=*/true);
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(0, 10)));
  MustPin(*b_, Client(2), Blocks(4, 6));
  MustLease(*b_, Client(3), Blocks(60, 64));  // nothing of it is mapped: told all the same
  ASSERT_TRUE(failure_->NotifyRemoval());
  EXPECT_THAT(holder_.steps,
              ElementsAre("freeze", "shutdown: the region is being removed", "thaw"));
  EXPECT_THAT(events_.lines, UnorderedElementsAre("removed 1 10", "removed 2 20", "removed 3 20"));
  EXPECT_FALSE(table_->NextReferenced({Pfn(0), table_->pages()}));
  EXPECT_THAT(table_->FindLeaks(), IsEmpty()) << "dirty entries are dropped as well";
}

TEST_F(MediaFailureTest, F8_AnInodeThatIsNotInCoreIsSkipped) {
  Attach();
  holder_.owners = {Data(77, 0, 5, 1), Data(10, 4, 1004, 1)};
  MustPin(*a_, Client(1), Blocks(4, 5));
  ASSERT_TRUE(failure_->Notify(5 * kBlockSize, 1));
  EXPECT_THAT(holder_.looked_for, ElementsAre(77, 10));
  EXPECT_THAT(events_.lines, ElementsAre("failed 1 10 4-5"));
}

TEST_F(MediaFailureTest, C5_ACompoundFailsWhole) {
  Attach();
  mapper_.Put(Ino(10), 512, 1024, 512);
  const LeaseId lease = MustLease(*a_, Client(1), Blocks(512, 1024));
  ASSERT_TRUE(Map(*a_, Client(1), lease, Blocks(512, 1024)));
  ASSERT_EQ(table_->Describe(Pfn(1024)).order, PageOrder::k2M);
  ASSERT_TRUE(failure_->Notify(ByteOffset(Pfn(1100)), 1));
  EXPECT_EQ(holder_.asked.back(), (PfnRange{Pfn(1024), BlockCount(512)}));
  EXPECT_TRUE(failure_->IsBad(ByteOffset(Pfn(1024)), 1));
  EXPECT_TRUE(failure_->IsBad(ByteOffset(Pfn(1535)), 1));
  EXPECT_FALSE(failure_->IsBad(ByteOffset(Pfn(1536)), 1));
}

TEST(MediaFailureOnFile, InjectionWorksOnEveryKindOfEmulatedRegion) {
  for (const char* parent : {"/dev/shm", "/tmp"}) {
    ScratchDir dir(parent);
    ASSERT_TRUE(Region::CreateEmulatedFile(dir / "r", 1 << 20, false));
    auto region = *Region::Open(dir / "r", {});
    auto failure = *MediaFailure::Watch(*region);
    ASSERT_TRUE(failure->Inject(4096, 1));
    char c;
    EXPECT_EQ(failure->CopyOut(&c, 4096, 1).error().code, EIO) << parent;
    EXPECT_TRUE(failure->Clear(4096, 1));
    EXPECT_TRUE(failure->CopyOut(&c, 4096, 1)) << parent;
  }
}

}  // namespace
}  // namespace holdfast::tests
