// SPDX-License-Identifier: Apache-2.0
// Entries of the filesystem's own files: taken, dropped, given back, and growth. On the orphan
// file, whose blocks are arrays of numbers.
#include "fsmeta/record_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr RecordFileKind kKind{.ino = Ino(kInoOrphanFile),
                               .type = ObjectType::kOrphans,
                               .per_block = kOrphansPerBlock,
                               .file_lock = ResourceClass::kOrphanFile,
                               .block_lock = ResourceClass::kOrphanBlock};

class RecordFileTest : public testing::Test {
 protected:
  RecordFileTest() : parts_(16 * kMiB) { EXPECT_TRUE(Open()); }

  // Reads the file; what it finds is in used_.
  Result<void> Open() {
    used_.clear();
    file_ = std::make_unique<RecordFile>(parts_.medium(), parts_.inodes(), parts_.extents(), kKind);
    return file_->Load([&](uint64_t first, const void* loaded) -> Result<void> {
      for (uint64_t i = 0; i < kOrphansPerBlock; ++i) {
        if (static_cast<const OrphanBlock*>(loaded)->ino[i] == 0) continue;
        file_->MarkUsed(first + i);
        used_.insert(first + i);
      }
      return {};
    });
  }
  Result<void> Remount() {
    file_.reset();
    parts_.Remount();
    return Open();
  }
  Result<uint64_t> TakeIn(Transaction& tx, uint64_t block = 0) {
    HOLDFAST_ASSIGN(const RecordFile::Entry entry, file_->Take(tx, block));
    uint64_t& number = static_cast<OrphanBlock*>(entry.block)->ino[entry.index % kOrphansPerBlock];
    EXPECT_EQ(number, 0U) << "an entry in use was handed out";
    number = 1;
    return entry.index;
  }
  Result<uint64_t> Take(uint64_t block = 0) {
    return parts_.Run([&](Transaction& tx) { return TakeIn(tx, block); });
  }
  Result<void> DropIn(Transaction& tx, uint64_t entry) {
    HOLDFAST_ASSIGN(void* block, file_->Edit(tx, entry));
    static_cast<OrphanBlock*>(block)->ino[entry % kOrphansPerBlock] = 0;
    file_->Drop(tx, entry);
    return {};
  }
  Result<void> Drop(uint64_t entry) {
    return parts_.Run([&](Transaction& tx) { return DropIn(tx, entry); });
  }
  // Overwrites the file's slot on the medium.
  template <typename F>
  void CorruptSlot(F&& change) {
    parts_.CorruptSlot(*parts_.inodes().Locate(parts_.medium(), kKind.ino),
                       std::forward<F>(change));
  }

  tests::MountedParts parts_;
  std::unique_ptr<RecordFile> file_;
  std::set<uint64_t> used_;
};

TEST_F(RecordFileTest, ATakenEntryIsFoundInUseAfterARemount) {
  EXPECT_EQ(*Take(), 0U);
  EXPECT_EQ(*Take(), 1U);
  ASSERT_TRUE(Remount());
  EXPECT_EQ(used_, (std::set<uint64_t>{0, 1}));
  EXPECT_EQ(*Take(), 2U);
  ASSERT_TRUE(Drop(1));
  ASSERT_TRUE(Remount());
  EXPECT_EQ(used_, (std::set<uint64_t>{0, 2}));
  EXPECT_EQ(*Take(), 1U);
}

TEST_F(RecordFileTest, AnAbortGivesBackWhatWasTakenAndKeepsWhatWasDropped) {
  const uint64_t kept = *Take();
  const auto failed = parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(TakeIn(tx));
    HOLDFAST_TRY(DropIn(tx, kept));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(*Take(), kept + 1);
  EXPECT_EQ(*Take(), kept + 2);
}

TEST_F(RecordFileTest, ADroppedEntryIsReusedOnlyAfterTheCommit) {
  const uint64_t first = *Take();
  const auto done = parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(DropIn(tx, first));
    HOLDFAST_ASSIGN(const uint64_t other, TakeIn(tx));
    EXPECT_NE(other, first);
    return {};
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(*Take(), first);
}

TEST_F(RecordFileTest, TakenAndDroppedInOneTransactionIsFree) {
  for (const bool commit : {true, false}) {
    (void)parts_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(const uint64_t entry, TakeIn(tx));
      EXPECT_EQ(entry, 0U);
      HOLDFAST_TRY(DropIn(tx, entry));
      return commit ? Result<void>() : Fail(EXDEV);
    });
  }
  EXPECT_EQ(*Take(), 0U);
}

TEST_F(RecordFileTest, AFullFileGrowsByABlockAndAnAbortForgetsIt) {
  for (uint64_t i = 0; i < kOrphansPerBlock; ++i) ASSERT_EQ(*Take(), i);
  const auto before = parts_.allocator().Totals()->free;
  const auto failed = parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const uint64_t entry, TakeIn(tx));
    EXPECT_EQ(entry, kOrphansPerBlock);
    HOLDFAST_TRY(TakeIn(tx));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(file_->blocks(), 1U);
  EXPECT_EQ(parts_.allocator().Totals()->free, before);
  EXPECT_EQ(*Take(), kOrphansPerBlock);
  EXPECT_EQ(file_->blocks(), 2U);
  ASSERT_TRUE(Remount());
  EXPECT_EQ(file_->blocks(), 2U);
  EXPECT_EQ(used_.size(), kOrphansPerBlock + 1);
}

TEST_F(RecordFileTest, ManyInOneTransactionGrowAsOftenAsNeeded) {
  const auto done = parts_.Run([&](Transaction& tx) -> Result<void> {
    for (uint64_t i = 0; i < 3 * kOrphansPerBlock; ++i) HOLDFAST_TRY(TakeIn(tx));
    return {};
  });
  ASSERT_TRUE(done) << done.error().Text();
  EXPECT_EQ(file_->blocks(), 3U);
  ASSERT_TRUE(Remount());
  EXPECT_EQ(used_.size(), 3 * kOrphansPerBlock);
  EXPECT_EQ(*Take(), 3 * kOrphansPerBlock);
}

TEST_F(RecordFileTest, WhoAsksForABlockOfItsOwnGetsOneWhileSpaceIsPlentiful) {
  EXPECT_EQ(*Take(1), kOrphansPerBlock);
  EXPECT_EQ(*Take(1), kOrphansPerBlock + 1);
  EXPECT_EQ(*Take(0), 0U);
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) {
    const auto totals = parts_.allocator().Totals();
    return parts_.allocator().AllocateAll(tx, totals->available, Pfn(0), AllocFor::kData);
  }));
  EXPECT_LT(*Take(7), 2 * kOrphansPerBlock);
  EXPECT_EQ(file_->blocks(), 2U);
}

TEST_F(RecordFileTest, GrowingMayUseTheReserveAndThenSaysENOSPC) {
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) {
    const auto totals = parts_.allocator().Totals();
    return parts_.allocator().AllocateAll(tx, totals->available, Pfn(0), AllocFor::kData);
  }));
  const uint64_t reserve = parts_.medium().superblock().reserve_blocks;
  Result<uint64_t> entry = 0;
  uint64_t taken = 0;
  // In bulk: one transaction for a block's worth.
  while (true) {
    const auto done = parts_.Run([&](Transaction& tx) -> Result<void> {
      for (uint64_t i = 0; i < kOrphansPerBlock; ++i) HOLDFAST_TRY(TakeIn(tx));
      return {};
    });
    if (!done) {
      EXPECT_EQ(done.error().code, ENOSPC);
      break;
    }
    taken += kOrphansPerBlock;
  }
  EXPECT_GE(taken / kOrphansPerBlock, reserve / 2);
  EXPECT_TRUE(Drop(5));
  EXPECT_EQ(*Take(), 5U);
}

TEST_F(RecordFileTest, AnEntryPastTheEndIsUnclean) {
  EXPECT_EQ(Drop(kOrphansPerBlock).error().code, EUCLEAN);
  EXPECT_EQ(Drop(~uint64_t{0}).error().code, EUCLEAN);
}

TEST_F(RecordFileTest, AnImpossibleSizeIsUnclean) {
  for (const uint64_t size : {uint64_t{1}, uint64_t{8192}, uint64_t{1} << 50, ~uint64_t{0}}) {
    CorruptSlot([size](InodeSlot& slot) { slot.size = size; });
    EXPECT_EQ(Remount().error().code, EUCLEAN) << size;
  }
}

TEST_F(RecordFileTest, AnUnsoundBlockIsUnclean) {
  Region& region = parts_.base().region();
  const uint64_t junk = 77;
  region.persist().Store(region.Target(ByteOffset(parts_.base().orphan_block()) + 1024), &junk, 8);
  EXPECT_EQ(Remount().error().code, EUCLEAN);
}

TEST_F(RecordFileTest, AnEmptyFileGrowsFromNothing) {
  CorruptSlot([](InodeSlot& slot) {
    slot.size = 0;
    slot.blocks = 0;
    slot.inline_count = 0;
    slot.data_form = static_cast<uint8_t>(DataForm::kNone);
  });
  ASSERT_TRUE(Remount());
  EXPECT_EQ(file_->blocks(), 0U);
  EXPECT_EQ(*Take(), 0U);
  ASSERT_TRUE(Remount());
  EXPECT_EQ(used_.size(), 1U);
}

}  // namespace
}  // namespace holdfast::fsmeta
