// SPDX-License-Identifier: Apache-2.0
// Allocation is transactional: index, bitmap and counts agree after commits, aborts and remounts.
#include "fsmeta/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/fsmeta/allocator_fixture.h"

namespace holdfast::fsmeta {
namespace {

using tests::FormattedMedium;
using Fixture = AllocatorFixture;

constexpr uint64_t kMiB = uint64_t{1} << 20;

BlockRun Blocks(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }

FormatOptions Lanes(uint32_t count, uint32_t blocks) {
  FormatOptions options;
  options.lane_count = count;
  options.lane_blocks = blocks;
  return options;
}

TEST(Allocator, TotalsOfANewFilesystemAreTheBitmaps) {
  Fixture fs(64 * kMiB);
  EXPECT_EQ(fs.Totals().total.value(), 64 * kMiB / kBlockSize);
  EXPECT_EQ(fs.free(), fs.FreeOnMedium().size());
  EXPECT_EQ(fs.available(), fs.free() - fs.reserve());
}

TEST(Allocator, ACommittedRunIsInUseAndCounted) {
  Fixture fs(64 * kMiB);
  const uint64_t before = fs.free();
  const auto run = fs.Allocate(5);
  ASSERT_TRUE(run) << run.error().Text();
  EXPECT_EQ(run->length, BlockCount(5));
  EXPECT_TRUE(*fs.allocator().IsAllocated(fs.parts().medium(), *run));
  EXPECT_EQ(fs.free(), before - 5);
  fs.Remount();
  EXPECT_EQ(fs.free(), before - 5);
  EXPECT_FALSE(fs.FreeOnMedium().contains(run->start.value()));
}

TEST(Allocator, AnAbortGivesEverythingBack) {
  Fixture fs(64 * kMiB);
  const uint64_t before = fs.free();
  const auto on_medium = fs.FreeOnMedium();
  const auto failed = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(fs.allocator().Allocate(tx, BlockCount(3), Pfn(0), AllocFor::kData));
    HOLDFAST_TRY(fs.allocator().AllocateAll(tx, BlockCount(9000), Pfn(0), AllocFor::kData));
    EXPECT_EQ(fs.free(), before - 9003);
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(fs.free(), before);
  EXPECT_EQ(fs.FreeOnMedium(), on_medium);
  EXPECT_EQ(fs.AllocateAll(before - fs.reserve())->empty(), false);
}

TEST(Allocator, TakenBlocksAreOutOfReachBeforeTheCommit) {
  Fixture fs(64 * kMiB);
  const auto done = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const BlockRun mine,
                    fs.allocator().Allocate(tx, BlockCount(4), Pfn(0), AllocFor::kData));
    HOLDFAST_ASSIGN(const BlockRun more,
                    fs.allocator().Allocate(tx, BlockCount(4), mine.start, AllocFor::kData));
    EXPECT_FALSE(mine.Overlaps(more));
    return {};
  });
  EXPECT_TRUE(done);
}

TEST(Allocator, FreedBlocksAreHandedOutOnlyAfterTheCommit) {
  Fixture fs(4 * kMiB);
  ASSERT_TRUE(fs.AllocateAll(fs.available()));
  const auto run = fs.Allocate(1, 0, AllocFor::kRemoval);
  ASSERT_TRUE(run);
  while (fs.Allocate(1, 0, AllocFor::kRemoval)) {
  }
  ASSERT_EQ(fs.free(), 0U);
  const auto done = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(fs.allocator().Free(tx, *run));
    EXPECT_EQ(fs.free(), 0U);
    const auto early = fs.allocator().Allocate(tx, BlockCount(1), Pfn(0), AllocFor::kRemoval);
    EXPECT_FALSE(early);
    EXPECT_EQ(early.error().code, ENOSPC);
    return {};
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(fs.free(), 1U);
  EXPECT_EQ(fs.Allocate(1, 0, AllocFor::kRemoval)->start, run->start);
}

TEST(Allocator, AnAbortedFreeChangesNothing) {
  Fixture fs(4 * kMiB);
  const auto run = fs.Allocate(6);
  const uint64_t before = fs.free();
  const auto failed = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(fs.allocator().Free(tx, *run));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(fs.free(), before);
  EXPECT_TRUE(*fs.allocator().IsAllocated(fs.parts().medium(), *run));
  EXPECT_TRUE(fs.Free(*run));
}

TEST(Allocator, AllocatedAndFreedInOneTransactionIsFreeAfterwards) {
  Fixture fs(4 * kMiB);
  const uint64_t before = fs.free();
  for (const bool commit : {true, false}) {
    (void)fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(const BlockRun run,
                      fs.allocator().Allocate(tx, BlockCount(2), Pfn(0), AllocFor::kMetadata));
      HOLDFAST_TRY(fs.allocator().Free(tx, run));
      if (!commit) return Fail(EXDEV);
      return {};
    });
    EXPECT_EQ(fs.free(), before);
    EXPECT_EQ(fs.FreeOnMedium().size(), before);
  }
}

TEST(Allocator, DataAndMetadataStopExactlyAtTheReserve) {
  for (const AllocFor purpose : {AllocFor::kData, AllocFor::kMetadata}) {
    Fixture fs(8 * kMiB);
    for (uint64_t left = fs.available(); left > 0; --left) {
      ASSERT_TRUE(fs.Allocate(1, 0, purpose)) << left;
      ASSERT_EQ(fs.available(), left - 1);
    }
    EXPECT_EQ(fs.Allocate(1, 0, purpose).error().code, ENOSPC);
    EXPECT_EQ(fs.AllocateAll(1, purpose).error().code, ENOSPC);
    EXPECT_EQ(fs.free(), fs.reserve());
    for (uint64_t left = fs.reserve(); left > 0; --left) {
      ASSERT_TRUE(fs.Allocate(1, 0, AllocFor::kRemoval)) << left;
    }
    EXPECT_EQ(fs.Allocate(1, 0, AllocFor::kRemoval).error().code, ENOSPC);
    EXPECT_TRUE(fs.FreeOnMedium().empty());
  }
}

TEST(Allocator, ALargeWishGetsWhatIsLeft) {
  Fixture fs(8 * kMiB);
  uint64_t got = 0;
  const uint64_t expected = fs.available();
  while (auto run = fs.Allocate(100000)) got += run->length.value();
  EXPECT_EQ(got, expected);
  EXPECT_EQ(fs.available(), 0U);
}

TEST(Allocator, AllOrNothingLeavesNothingBehind) {
  Fixture fs(8 * kMiB);
  const uint64_t available = fs.available();
  const auto done = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    const auto too_much =
        fs.allocator().AllocateAll(tx, BlockCount(available + 1), Pfn(0), AllocFor::kData);
    EXPECT_EQ(too_much.error().code, ENOSPC);
    EXPECT_EQ(fs.available(), available);
    // The transaction is still good.
    const auto exact =
        fs.allocator().AllocateAll(tx, BlockCount(available), Pfn(0), AllocFor::kData);
    EXPECT_TRUE(exact);
    return {};
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(fs.available(), 0U);
  EXPECT_EQ(fs.FreeOnMedium().size(), fs.reserve());
}

TEST(Allocator, ExactIsOneRunOrNothing) {
  Fixture fs(8 * kMiB, GroupsOf(512));
  EXPECT_EQ(fs.Allocate(512, 0, AllocFor::kData, true).error().code, ENOSPC);
  EXPECT_EQ(fs.Allocate(100, 0, AllocFor::kData, true)->length, BlockCount(100));
  EXPECT_EQ(fs.Allocate(100000, 0, AllocFor::kData, true).error().code, ENOSPC);
}

TEST(Allocator, GrowingAFileAtItsEndMakesOneRun) {
  Fixture fs(64 * kMiB);
  const auto first = fs.Allocate(3);
  ASSERT_TRUE(first);
  uint64_t end = first->end().value();
  for (int i = 0; i < 100; ++i) {
    const auto next = fs.Allocate(7, end);
    ASSERT_EQ(next->start.value(), end);
    end = next->end().value();
  }
}

TEST(Allocator, LargeRunsAreAlignedAndSmallOnesDoNotBreakThem) {
  Fixture fs(256 * kMiB);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(fs.Allocate(1, 40000));
  const auto large = fs.Allocate(1024, 40000);
  ASSERT_TRUE(large);
  EXPECT_EQ(large->start.value() % 512, 0U);
  EXPECT_EQ(large->length, BlockCount(1024));
  // The 100 small ones share one 2 MiB piece.
  const auto small = fs.Allocate(1, 40000);
  EXPECT_EQ(small->start.value() / 512, 40000U / 512);
}

TEST(Allocator, FreeingWhatIsNotAllocatedIsUnclean) {
  Fixture fs(64 * kMiB);
  const auto run = fs.Allocate(10);
  const Superblock& superblock = fs.parts().superblock();
  const GroupLayout second = LayoutOfGroup(superblock, 1);
  const uint64_t before = fs.free();
  const BlockRun wrong[] = {
      Blocks(0, 1),                              // superblock
      Blocks(1, 1),                              // group header
      Blocks(superblock.journal_start, 1),       // journal
      Blocks(superblock.inode_cluster0 + 3, 1),  // the first inodes
      Blocks(second.header.value(), 1),          // another group's header
      Blocks(second.bitmap.value(), 1),          // its bitmap
      Blocks(superblock.block_count - 1, 1),     // the superblock's copy
      Blocks(superblock.block_count, 1),         // outside
      Blocks(superblock.block_count - 2, 100),   // half outside
      Blocks(~uint64_t{0} - 3, 10),              // an overflow
      Blocks(second.start.value() - 1, 2),       // across groups
      Blocks(run->end().value(), 1),             // free already
      Blocks(run->start.value(), 11),            // partly free
      Blocks(run->start.value(), 0),             // nothing
  };
  for (const BlockRun& bad : wrong) {
    const auto freed = fs.Free(bad);
    ASSERT_FALSE(freed) << bad.start.value();
    EXPECT_EQ(freed.error().code, EUCLEAN) << bad.start.value();
    EXPECT_FALSE(freed.error().message.empty());
  }
  EXPECT_EQ(fs.free(), before);
  ASSERT_TRUE(fs.Free(*run));
  EXPECT_EQ(fs.Free(*run).error().code, EUCLEAN);
}

TEST(Allocator, ABlockFreedTwiceInOneTransactionIsUnclean) {
  Fixture fs(4 * kMiB);
  const auto run = fs.Allocate(2);
  const auto twice = fs.parts().runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(fs.allocator().Free(tx, *run));
    return fs.allocator().Free(tx, {run->start, BlockCount(1)});
  });
  EXPECT_EQ(twice.error().code, EUCLEAN);
  EXPECT_TRUE(*fs.allocator().IsAllocated(fs.parts().medium(), *run));
}

TEST(Allocator, FreedMetadataIsCheckedAgainWhenItComesBack) {
  Fixture fs(4 * kMiB);
  const auto run = fs.parts().runner().Run([&](Transaction& tx) -> Result<BlockRun> {
    HOLDFAST_ASSIGN(const BlockRun taken,
                    fs.allocator().Allocate(tx, BlockCount(1), Pfn(0), AllocFor::kMetadata));
    tx.CreateBlock<DirectoryBlock>(taken.start, ObjectType::kDirectory, 77);
    return taken;
  });
  ASSERT_TRUE(run);
  const auto load = [&] {
    return fs.parts().medium().Block<DirectoryBlock>(run->start, ObjectType::kDirectory, 77);
  };
  ASSERT_TRUE(load());
  ASSERT_TRUE(fs.Free(*run));
  // A flipped bit that only the checksum notices.
  Region& region = fs.parts().region();
  const uint64_t junk = 1;
  region.persist().Store(region.Target(ByteOffset(run->start) + 2048), &junk, sizeof(junk));
  EXPECT_EQ(load().error().code, EUCLEAN);
}

TEST(Allocator, LentBlocksAreNotFreeAndComeBack) {
  Fixture fs(8 * kMiB);
  const uint64_t before = fs.free();
  const auto on_medium = fs.FreeOnMedium();
  const auto spill = fs.allocator().Borrow(BlockCount(200));
  ASSERT_TRUE(spill) << spill.error().Text();
  EXPECT_EQ(spill->length, BlockCount(200));
  EXPECT_EQ(fs.free(), before - 200);
  // On the medium they stay free: a crash forgets the loan.
  EXPECT_EQ(fs.FreeOnMedium(), on_medium);
  const auto taken = fs.AllocateAll(fs.available());
  ASSERT_TRUE(taken);
  for (const BlockRun& run : *taken) {
    EXPECT_FALSE(run.Overlaps({spill->start, spill->length}));
  }
  fs.allocator().Return(*spill);
  EXPECT_EQ(fs.free(), fs.reserve() + 200);
  EXPECT_EQ(fs.allocator().Borrow(BlockCount(1 << 20)).error().code, ENOSPC);
}

TEST(Allocator, ARecordTooBigForItsLaneBorrowsWhileGroupLocksAreHeld) {
  Fixture fs(64 * kMiB, Lanes(2, 2));
  const uint64_t before = fs.free();
  // Every bitmap block of every group changes: far more than the 126 lines of a lane.
  const auto runs = fs.AllocateAll(fs.available());
  ASSERT_TRUE(runs) << runs.error().Text();
  EXPECT_EQ(fs.FreeOnMedium().size(), fs.reserve());
  fs.Remount();
  for (const BlockRun& run : *runs) ASSERT_TRUE(fs.Free(run));
  EXPECT_EQ(fs.free(), before);
}

TEST(Allocator, NodesComeFromTheGoalsGroup) {
  Fixture fs(64 * kMiB);
  const Pfn goal = LayoutOfGroup(fs.parts().superblock(), 2).first_usable;
  AllocatorNodeSpace space(fs.allocator(), goal, AllocFor::kMetadata);
  const auto node = fs.parts().runner().Run(
      [&](Transaction& tx) -> Result<Pfn> { return space.AllocateNode(tx); });
  ASSERT_TRUE(node);
  EXPECT_EQ(fs.allocator().GroupOf(*node), 2U);
  EXPECT_TRUE(fs.parts().runner().Run(
      [&](Transaction& tx) -> Result<void> { return space.FreeNode(tx, *node); }));
  EXPECT_FALSE(*fs.allocator().IsAllocated(fs.parts().medium(), {*node, BlockCount(1)}));
}

TEST(Allocator, NoSuchGroupIsUnclean) {
  Fixture fs(4 * kMiB);
  EXPECT_EQ(fs.allocator().ReadGroup(fs.parts().medium(), 99).error().code, EUCLEAN);
  const auto edit = fs.parts().runner().Run(
      [&](Transaction& tx) { return fs.allocator().EditGroup(tx, uint64_t{1} << 40); });
  EXPECT_EQ(edit.error().code, EUCLEAN);
}

// Overwrites a sealed object through `change`.
template <typename T>
void Corrupt(FormattedMedium& parts, Pfn at, ObjectType type, uint64_t owner, auto&& change) {
  const ObjectId id{type, ByteOffset(at), kMetadataBlock, owner};
  T block;
  std::memcpy(&block, parts.region().At(id.offset), sizeof(block));
  change(block);
  SealObject(&block, id, parts.medium().uuid(), 1);
  parts.region().persist().Store(parts.region().Target(id.offset), &block, sizeof(block));
}

TEST(AllocatorCorrupt, AHeaderThatDoesNotFitTheSuperblock) {
  void (*const changes[])(GroupHeader&) = {
      [](GroupHeader& h) { h.start += 1; },
      [](GroupHeader& h) { h.blocks -= 1; },
      [](GroupHeader& h) { h.bitmap_start += 1; },
      [](GroupHeader& h) { h.bitmap_blocks = 0; },
      [](GroupHeader& h) { h.free_blocks = h.blocks + 1; },
  };
  for (const auto& change : changes) {
    Fixture fs(16 * kMiB);
    Corrupt<GroupHeader>(fs.parts(), LayoutOfGroup(fs.parts().superblock(), 1).header,
                         ObjectType::kGroupHeader, 1, change);
    EXPECT_EQ(fs.allocator().Totals().error().code, EUCLEAN);
    EXPECT_EQ(fs.Allocate(1).error().code, EUCLEAN);
    EXPECT_EQ(fs.Free(Blocks(600, 1)).error().code, EUCLEAN);
  }
}

TEST(AllocatorCorrupt, ABitmapThatDoesNotFitItsHeader) {
  Fixture fs(16 * kMiB);
  const uint64_t group0_first = fs.parts().first_free().value();
  Corrupt<BitmapBlock>(fs.parts(), LayoutOfGroup(fs.parts().superblock(), 0).bitmap,
                       ObjectType::kBitmap, 0, [&](BitmapBlock& bitmap) {
                         bitmap.bits[group0_first / 64] ^= uint64_t{1} << (group0_first % 64);
                       });
  const auto run = fs.Allocate(1, group0_first);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, EUCLEAN);
  EXPECT_NE(run.error().message.find("header says"), std::string::npos) << run.error().message;
}

TEST(AllocatorCorrupt, MetadataMarkedFreeIsNeverHandedOut) {
  for (const uint64_t block : {0U, 1U, 5U}) {
    Fixture fs(16 * kMiB);
    Corrupt<BitmapBlock>(fs.parts(), LayoutOfGroup(fs.parts().superblock(), 0).bitmap,
                         ObjectType::kBitmap, 0,
                         [&](BitmapBlock& bitmap) { bitmap.bits[0] &= ~(uint64_t{1} << block); });
    EXPECT_EQ(fs.Allocate(1, 10).error().code, EUCLEAN) << block;
  }
}

TEST(AllocatorL11, TheObserverSeesEveryRunHandedOut) {
  Fixture fs(16 * kMiB);
  absl::Mutex mutex;
  std::set<uint64_t> in_use;
  std::vector<BlockRun> handed;
  fs.allocator().set_observer([&](BlockRun run) {
    absl::MutexLock lock(&mutex);
    handed.push_back(run);
    for (uint64_t i = 0; i < run.length.value(); ++i) {
      EXPECT_FALSE(in_use.contains(run.start.value() + i)) << "a referenced block was handed out";
    }
  });
  const auto run = fs.Allocate(9);
  ASSERT_TRUE(run);
  for (uint64_t i = 0; i < 9; ++i) in_use.insert(run->start.value() + i);
  const auto spill = fs.allocator().Borrow(BlockCount(20));
  const auto runs = fs.AllocateAll(2000);
  ASSERT_TRUE(spill && runs);
  std::vector<BlockRun> expected = {*run, {spill->start, spill->length}};
  expected.insert(expected.end(), runs->begin(), runs->end());
  EXPECT_THAT(handed, testing::UnorderedElementsAreArray(expected));
}

}  // namespace
}  // namespace holdfast::fsmeta
