// SPDX-License-Identifier: Apache-2.0
// Blocks in quarantine are not free, and are freed when daxcore lets them go (rules L11, L14).
#include "fsmeta/quarantine_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::PfnRange;
using daxcore::ProcessId;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr ProcessId kAnna{100, 5000};

class QuarantineStoreTest : public testing::Test {
 protected:
  QuarantineStoreTest() : parts_(64 * kMiB) { Open(); }

  void Open() {
    file_ = std::make_unique<QuarantineFile>(parts_.medium(), parts_.inodes(), parts_.extents());
    const auto loaded = file_->Load();
    EXPECT_TRUE(loaded);
    contents_ = loaded.value_or(QuarantineContents{});
    store_ = std::make_unique<FileQuarantineStore>(parts_.base().runner(), parts_.tools(), *file_);
  }
  void Remount() {
    Reopen([this] { parts_.Remount(); });
  }
  void Reboot() {
    Reopen([this] { parts_.Reboot(); });
  }
  template <typename F>
  void Reopen(F&& remount) {
    store_.reset();
    file_.reset();
    remount();
    Open();
  }
  // Blocks that belong to nobody but quarantine.
  BlockRun Quarantined(uint64_t length) {
    const auto run = parts_.Run([&](Transaction& tx) -> Result<BlockRun> {
      HOLDFAST_ASSIGN(const BlockRun taken,
                      parts_.allocator().Allocate(tx, BlockCount(length), Pfn(0), AllocFor::kData));
      HOLDFAST_TRY(file_->AddRuns(tx, std::span(&taken, 1), Ino(50), std::span(&kAnna, 1)));
      return taken;
    });
    EXPECT_TRUE(run) << run.error().Text();
    return *run;
  }
  uint64_t free() { return parts_.allocator().Totals()->free.value(); }
  bool IsAllocated(BlockRun run) { return *parts_.allocator().IsAllocated(parts_.medium(), run); }

  tests::MountedParts parts_;
  std::unique_ptr<QuarantineFile> file_;
  QuarantineContents contents_;
  std::unique_ptr<FileQuarantineStore> store_;
};

TEST_F(QuarantineStoreTest, L11QuarantinedBlocksAreNotHandedOutUntilReleased) {
  const uint64_t before = free();
  const BlockRun run = Quarantined(8);
  Remount();
  EXPECT_TRUE(IsAllocated(run));
  parts_.allocator().set_observer([&](BlockRun handed) { EXPECT_FALSE(handed.Overlaps(run)); });
  const auto failed = parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(parts_.allocator().AllocateAll(tx, parts_.allocator().Totals()->available, Pfn(0),
                                                AllocFor::kData));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  parts_.allocator().set_observer(nullptr);
  const PfnRange pages{run.start, run.length};
  store_->Release(std::span(&pages, 1));
  EXPECT_FALSE(IsAllocated(run));
  EXPECT_EQ(free(), before);
}

TEST_F(QuarantineStoreTest, PagesComeBackInAnyPieces) {
  const BlockRun run = Quarantined(100);
  const uint64_t before = free();
  std::vector<PfnRange> odd;
  std::vector<PfnRange> even;
  for (uint64_t i = 0; i < 100; ++i) {
    (i % 2 == 0 ? even : odd).push_back({run.start + BlockCount(i), BlockCount(1)});
  }
  store_->Release(odd);
  EXPECT_FALSE(IsAllocated({run.start + BlockCount(1), BlockCount(1)}));
  EXPECT_TRUE(IsAllocated({run.start + BlockCount(2), BlockCount(1)}));
  EXPECT_LE(free(), before + 50);
  Remount();
  store_->Release(even);
  EXPECT_FALSE(IsAllocated({run.start, BlockCount(1)}));
  Remount();
  EXPECT_TRUE(contents_.runs.empty());
}

TEST_F(QuarantineStoreTest, ABlockWithAnotherOwnerStaysAllocated) {
  const BlockRun run = Quarantined(4);
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) {
    return parts_.tools().refcounts.Increment(tx, {run.start, BlockCount(2)}, AllocFor::kData);
  }));
  const PfnRange pages{run.start, run.length};
  store_->Release(std::span(&pages, 1));
  EXPECT_TRUE(IsAllocated({run.start, BlockCount(2)}));
  EXPECT_FALSE(IsAllocated({run.start + BlockCount(2), BlockCount(1)}));
  const auto counts = parts_.tools().refcounts.Lookup(parts_.medium(), {run.start, BlockCount(2)});
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->front().count, 1U);
}

TEST_F(QuarantineStoreTest, PagesReleasedTwiceAreFreedOnce) {
  const BlockRun run = Quarantined(4);
  const PfnRange pages{run.start, run.length};
  store_->Release(std::span(&pages, 1));
  const uint64_t after = free();
  store_->Release(std::span(&pages, 1));
  EXPECT_EQ(free(), after);
}

TEST_F(QuarantineStoreTest, AfterARebootEverythingIsReleased) {
  const uint64_t before = free();
  std::vector<BlockRun> runs;
  for (int i = 0; i < 40; ++i) runs.push_back(Quarantined(3));
  ASSERT_TRUE(store_->AddHolder(Ino(50), kAnna));
  Reboot();
  EXPECT_EQ(contents_.expired.size(), runs.size());
  ASSERT_TRUE(store_->ReleaseExpired(contents_.expired));
  for (const BlockRun& run : runs) EXPECT_FALSE(IsAllocated(run));
  Remount();
  EXPECT_TRUE(contents_.expired.empty() && contents_.runs.empty() && contents_.holders.empty());
  // The file itself has grown by a block for the records.
  EXPECT_GE(free() + 2, before);
}

TEST_F(QuarantineStoreTest, HoldersAreDurableWhenTheCallReturns) {
  ASSERT_TRUE(store_->AddHolder(Ino(50), kAnna));
  Remount();
  EXPECT_THAT(contents_.holders, testing::ElementsAre(std::pair(Ino(50), kAnna)));
  store_->RemoveHolder(Ino(50), kAnna);
  Remount();
  EXPECT_TRUE(contents_.holders.empty());
}

TEST_F(QuarantineStoreTest, ThreadsMayEndReferencesAtTheSameTime) {
  std::vector<BlockRun> runs;
  const uint64_t before = free();
  for (int i = 0; i < 40; ++i) runs.push_back(Quarantined(2));
  const uint64_t file_growth = before - 80 - free();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const ProcessId process{static_cast<pid_t>(1000 + t), t};
      for (size_t i = t; i < runs.size(); i += 4) {
        EXPECT_TRUE(store_->AddHolder(Ino(60), process));
        const PfnRange pages{runs[i].start, runs[i].length};
        store_->Release(std::span(&pages, 1));
        store_->RemoveHolder(Ino(60), process);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(free(), before - file_growth);
  Remount();
  EXPECT_TRUE(contents_.runs.empty() && contents_.holders.empty());
}

TEST_F(QuarantineStoreTest, AShutdownIsSurvivedAndTheBlocksStayOnRecord) {
  const BlockRun run = Quarantined(4);
  parts_.medium().Shutdown("for the test");
  const PfnRange pages{run.start, run.length};
  store_->Release(std::span(&pages, 1));
  EXPECT_EQ(store_->AddHolder(Ino(50), kAnna).error().code, EIO);
  Remount();
  ASSERT_EQ(contents_.runs.size(), 1U);
  EXPECT_EQ(contents_.runs[0].pages, pages);
}

}  // namespace
}  // namespace holdfast::fsmeta
