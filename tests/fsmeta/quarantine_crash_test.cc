// SPDX-License-Identifier: Apache-2.0
// What processes hold outlives the daemon: kill -9, mount again, and nothing of theirs is given
// away until they are dead, or the machine has booted again (rules L11, L14).
#include <gtest/gtest.h>

#include <set>

#include "absl/time/clock.h"
#include "fsmeta/file_extent_mapper.h"
#include "tests/fsmeta/data_fixture.h"
#include "tests/support/waiting_process.h"

namespace holdfast::fsmeta {
namespace {

using tests::WaitingProcess;

constexpr uint64_t kFileBlocks = 8;

class QuarantineCrashTest : public DataFixture {
 protected:
  QuarantineCrashTest() {
    mounted().options().boot_id = std::array<uint8_t, 16>{1};
    mounted().options().layout.busy_timeout = std::chrono::milliseconds(1);
    Remount();
    file_ = MakeFile();
    WriteAt(file_, 0, Pattern(kFileBlocks * kBlock));
    place_ = PlaceOf(file_, 0);
  }
  void TearDown() override {
    EXPECT_EQ(volume().pages().canary_hits(), 0u);
    DataFixture::TearDown();
  }

  daxcore::PinId Pin(const daxcore::ProcessId& process, uint64_t block, uint64_t blocks) {
    const InodeRef inode = volume().live().Get(file_);
    daxcore::PinRequest request;
    request.holder = {daxcore::SessionId(1), process};
    request.range = {FileBlock(block), FileBlock(block + blocks)};
    FileExtentMapper mapper(volume());
    absl::ReaderMutexLock layout(&inode->layout.layout_lock());
    const auto pinned = volume().layouts().Pin(inode->layout, request, mapper);
    EXPECT_TRUE(pinned) << pinned.error().Text();
    return pinned ? pinned->id : daxcore::PinId(0);
  }
  // Empties the file at once, whoever holds it.
  void Truncate() {
    const InodeRef inode = volume().live().Get(file_);
    daxcore::BreakAttempt now;
    now.OverridePolicy(daxcore::BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
    OpContext context;
    context.attempt = &now;
    const auto cut = data().SetSize(context, file_, 0, false);
    ASSERT_TRUE(cut) << cut.error().Text();
  }
  // Takes all free space and tells whether it got any of the file's former blocks [from, to).
  bool IsGivenAway(uint64_t from, uint64_t to) {
    bool given = false;
    const BlockRun kept{Pfn((place_ >> kBlockShift) + from), BlockCount(to - from)};
    (void)volume().transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(const SpaceTotals space, volume().allocator().Totals());
      HOLDFAST_ASSIGN(const BlockRuns runs,
                      volume().allocator().AllocateAll(tx, space.free, Pfn(0), AllocFor::kRemoval));
      for (const BlockRun& run : runs) given = given || run.Overlaps(kept);
      return Fail(EXDEV);
    });
    return given;
  }
  uint64_t Quarantined() { return volume().layouts().quarantine().blocks().value(); }
  // Processes on record as users of files. Under the lock: nobody is changing the record meanwhile.
  size_t HoldersOnRecord() {
    const auto count = volume().transactions().Run([&](Transaction& tx) -> Result<size_t> {
      HOLDFAST_TRY(tx.Lock({ResourceClass::kQuarantine}));
      QuarantineFile file(volume().medium(), volume().inodes(), volume().extents());
      HOLDFAST_ASSIGN(const QuarantineContents contents, file.Load());
      return contents.holders.size();
    });
    EXPECT_TRUE(count) << count.error().Text();
    return count.value_or(0);
  }
  // The end of a process reaches the volume on its own thread.
  void Await(const std::function<bool()>& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) absl::SleepFor(absl::Milliseconds(10));
    EXPECT_TRUE(condition());
  }
  void Reboot() {
    (*mounted().options().boot_id)[0]++;
    Remount();
  }

  Ino file_;
  uint64_t place_ = 0;
};

TEST_F(QuarantineCrashTest, L11_BlocksThatLeftWhileHeldStayOutOfReachOverACrash) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Truncate();
  EXPECT_EQ(Quarantined(), 3u);
  EXPECT_FALSE(IsGivenAway(2, 5));
  EXPECT_TRUE(IsGivenAway(0, 2)) << "what nobody held is free";
  Remount();
  EXPECT_EQ(Quarantined(), 3u);
  EXPECT_FALSE(IsGivenAway(2, 5));
  holder.Kill();
  Await([&] { return Quarantined() == 0 && HoldersOnRecord() == 0; });
  EXPECT_TRUE(IsGivenAway(2, 5));
}

TEST_F(QuarantineCrashTest, L11_AHolderKeepsItsFilesBlocksOverACrash) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Remount();
  // Which blocks it holds is not known any more: they may be any of the file's.
  Truncate();
  EXPECT_EQ(Quarantined(), kFileBlocks);
  EXPECT_FALSE(IsGivenAway(0, kFileBlocks));
  Remount();
  EXPECT_EQ(Quarantined(), kFileBlocks) << "also over a second crash";
  EXPECT_FALSE(IsGivenAway(0, kFileBlocks));
  holder.Kill();
  Await([&] { return Quarantined() == 0 && HoldersOnRecord() == 0; });
  EXPECT_TRUE(IsGivenAway(0, kFileBlocks));
}

TEST_F(QuarantineCrashTest, L11_TheHolderIsOnRecordBeforeItsFirstPinIsGranted) {
  WaitingProcess holder;
  Pin(holder.id(), 0, 1);
  QuarantineFile file(volume().medium(), volume().inodes(), volume().extents());
  const auto contents = file.Load();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->holders.size(), 1u);
  EXPECT_EQ(contents->holders[0].first, file_);
  EXPECT_EQ(contents->holders[0].second, holder.id());
}

TEST_F(QuarantineCrashTest, L11_WhatIsGivenBackBeforeTheCrashIsForgotten) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  {
    const InodeRef inode = volume().live().Get(file_);
    volume().layouts().CloseSession(inode->layout, daxcore::SessionId(1));
  }
  Remount();
  Truncate();
  EXPECT_EQ(Quarantined(), 0u);
  EXPECT_TRUE(IsGivenAway(0, kFileBlocks));
}

TEST_F(QuarantineCrashTest, L11_AfterARebootNobodyHoldsAnything) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Truncate();
  Reboot();
  EXPECT_EQ(Quarantined(), 0u);
  EXPECT_TRUE(IsGivenAway(2, 5));
}

TEST_F(QuarantineCrashTest, L11_AfterARebootTheHoldersOfFilesAreForgottenToo) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Reboot();
  Truncate();
  EXPECT_EQ(Quarantined(), 0u);
  EXPECT_TRUE(IsGivenAway(0, kFileBlocks));
}

TEST_F(QuarantineCrashTest, L11_HoldersThatDiedBetweenTheDaemonsHoldNothing) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Truncate();
  holder.Kill();
  Remount();
  EXPECT_EQ(Quarantined(), 0u);
  EXPECT_TRUE(IsGivenAway(2, 5));
  Await([&] { return HoldersOnRecord() == 0; });
}

TEST_F(QuarantineCrashTest, L10_AFileThatDiesWhileHeldLeavesItsBlocksInQuarantineOverACrash) {
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  ASSERT_TRUE(mounted().Unlink("file1"));
  Remount();
  ASSERT_TRUE(mounted().fs().FinishOrphans());
  EXPECT_FALSE(IsGivenAway(2, 5));
  holder.Kill();
  Await([&] { return Quarantined() == 0 && HoldersOnRecord() == 0; });
  EXPECT_TRUE(IsGivenAway(2, 5));
}

TEST_F(QuarantineCrashTest, L11_QuarantinedBlocksAreAccountedAsUsed) {
  const uint64_t before = FreeBlocks();
  WaitingProcess holder;
  Pin(holder.id(), 2, 3);
  Truncate();
  EXPECT_EQ(FreeBlocks(), before + kFileBlocks - 3);
  Remount();
  EXPECT_EQ(FreeBlocks(), before + kFileBlocks - 3);
  ExpectSound();
  holder.Kill();
  Await([&] { return FreeBlocks() == before + kFileBlocks && HoldersOnRecord() == 0; });
}

}  // namespace
}  // namespace holdfast::fsmeta
