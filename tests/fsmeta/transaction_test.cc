// SPDX-License-Identifier: Apache-2.0
// Transactions are atomic and durable, restart where locks ask for it, and abort for free.
#include "fsmeta/transaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "fsmeta/inode_cluster.h"
#include "fsmeta/superblock.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using tests::FormattedMedium;
using Image = std::vector<std::byte>;

class TransactionTest : public testing::Test {
 protected:
  explicit TransactionTest(tests::Recorder* recorder = nullptr)
      : parts_(FormattedMedium::kDefaultBytes, {}, recorder) {}

  Result<OrphanBlock*> EditOrphans(Transaction& tx) {
    return tx.EditBlock<OrphanBlock>(parts_.orphan_block(), ObjectType::kOrphans, kInoOrphanFile);
  }
  Result<void> SetOrphan(size_t at, uint64_t ino) {
    return parts_.runner().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
      block->ino[at] = ino;
      return {};
    });
  }
  uint64_t OrphanAt(size_t at) {
    const auto block = parts_.medium().Block<OrphanBlock>(parts_.orphan_block(),
                                                          ObjectType::kOrphans, kInoOrphanFile);
    EXPECT_TRUE(block) << block.error().Text();
    return block ? (*block)->ino[at] : ~uint64_t{0};
  }
  // A block of a value that nothing refers to.
  XattrValueBlock* CreateValue(Transaction& tx, Pfn at) {
    auto* value = tx.CreateBlock<XattrValueBlock>(at, ObjectType::kXattrValue, 9);
    value->used = 42;
    return value;
  }
  Result<const XattrValueBlock*> LoadValue(MetaReader& reader, Pfn at) {
    return reader.Block<XattrValueBlock>(at, ObjectType::kXattrValue, 9);
  }

  FormattedMedium parts_;
};

TEST_F(TransactionTest, CommitIsOnTheMediumSealedAndSurvives) {
  ASSERT_TRUE(SetOrphan(3, 99));
  parts_.Remount();
  EXPECT_EQ(parts_.replayed(), 0U);
  EXPECT_EQ(OrphanAt(3), 99U);
}

TEST_F(TransactionTest, EditsAreSeenInsideAndNowhereElse) {
  const auto failed = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 5;
    const auto again = EditOrphans(tx);
    EXPECT_EQ(*again, block);
    const auto read = tx.Block<OrphanBlock>(parts_.orphan_block(), ObjectType::kOrphans, 3);
    EXPECT_EQ((*read)->ino[0], 5U);
    EXPECT_EQ(OrphanAt(0), 0U);
    return Fail(EXDEV, "on purpose");
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(OrphanAt(0), 0U);
}

TEST_F(TransactionTest, AbortStoresNothing) {
  const Image before = parts_.Image();
  EXPECT_FALSE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 5;
    CreateValue(tx, parts_.first_free());
    return Fail(ENOSPC);
  }));
  EXPECT_EQ(before, parts_.Image());
}

TEST_F(TransactionTest, CreatedBlocksAreThereAfterTheCommit) {
  const Pfn at = parts_.first_free();
  const auto done = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    CreateValue(tx, at);
    EXPECT_EQ((*LoadValue(tx, at))->used, 42U);
    EXPECT_FALSE(LoadValue(parts_.medium(), at));
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[1] = at.value();
    return {};
  });
  ASSERT_TRUE(done);
  parts_.Remount();
  const auto value = LoadValue(parts_.medium(), at);
  ASSERT_TRUE(value) << value.error().Text();
  EXPECT_EQ((*value)->used, 42U);
}

TEST_F(TransactionTest, DiscardForgetsTheEditsOfAFreedBlock) {
  const Image before = parts_.Image();
  ASSERT_TRUE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[1] = 77;
    tx.Discard(parts_.orphan_block());
    return {};
  }));
  EXPECT_EQ(before, parts_.Image());
}

TEST_F(TransactionTest, AnEditThatChangesNothingWritesNothing) {
  const Image before = parts_.Image();
  ASSERT_TRUE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[1] = 77;
    block->ino[1] = 0;
    EXPECT_EQ(tx.ChangedLines(), 0U);
    return {};
  }));
  EXPECT_EQ(before, parts_.Image());
}

TEST_F(TransactionTest, ChangedLinesCountTheHeaderToo) {
  ASSERT_TRUE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 1;    // line 1
    block->ino[7] = 1;    // line 1
    block->ino[8] = 1;    // line 2
    block->ino[500] = 1;  // line 63
    EXPECT_EQ(tx.ChangedLines(), 4U);
    EXPECT_TRUE(tx.FitsLane(0));
    EXPECT_FALSE(tx.FitsLane(parts_.journal().lane_lines()));
    EXPECT_TRUE(tx.FitsLane(parts_.journal().lane_lines() - 4));
    return {};
  }));
}

TEST_F(TransactionTest, OneBlockUnderTwoNamesIsCorruption) {
  const auto failed = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(EditOrphans(tx));
    HOLDFAST_TRY(tx.EditBlock<BitmapBlock>(parts_.orphan_block(), ObjectType::kBitmap, 3));
    return {};
  });
  EXPECT_EQ(failed.error().code, EUCLEAN);
}

TEST_F(TransactionTest, CreatingOverAnEditedBlockIsCorruption) {
  const Image before = parts_.Image();
  const auto failed = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 1;
    CreateValue(tx, parts_.orphan_block());
    EXPECT_EQ(block->ino[0], 1U);
    // Something that would be committed, were it not for that.
    HOLDFAST_ASSIGN(auto* other,
                    tx.EditBlock<QuarantineBlock>(parts_.quarantine_block(),
                                                  ObjectType::kQuarantine, kInoQuarantine));
    other->records[0].block = 1;
    return {};
  });
  EXPECT_EQ(failed.error().code, EUCLEAN);
  EXPECT_EQ(before, parts_.Image());
}

TEST_F(TransactionTest, FileDataChangesWithTheMetadataAndOnlyWhereItDiffers) {
  const Pfn at = parts_.first_free();
  const std::string old(kBlockSize, 'o');
  Region& region = parts_.medium().region();
  region.persist().CopyNt(region.Target(ByteOffset(at)), old.data(), old.size());
  const auto data = [&] {
    return std::string(reinterpret_cast<const char*>(region.At(at)), kBlockSize);
  };
  const auto edit = [&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(std::byte * bytes, tx.EditData(at));
    std::memset(bytes + 100, 'n', 200);
    EXPECT_EQ(*tx.EditData(at), bytes);
    EXPECT_EQ(data(), old);
    EXPECT_EQ(tx.ChangedLines(), 4U);
    return {};
  };
  EXPECT_FALSE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(edit(tx));
    return Fail(EXDEV);
  }));
  EXPECT_EQ(data(), old);
  ASSERT_TRUE(parts_.runner().Run(edit));
  EXPECT_EQ(data(), std::string(100, 'o') + std::string(200, 'n') + std::string(3796, 'o'));
}

TEST_F(TransactionTest, MetadataIsNoFileData) {
  EXPECT_EQ(parts_.runner()
                .Run([&](Transaction& tx) -> Result<void> {
                  HOLDFAST_TRY(EditOrphans(tx));
                  HOLDFAST_TRY(tx.EditData(parts_.orphan_block()));
                  return {};
                })
                .error()
                .code,
            EUCLEAN);
  EXPECT_EQ(parts_.runner()
                .Run([&](Transaction& tx) -> Result<void> {
                  HOLDFAST_TRY(tx.EditData(Pfn(uint64_t{1} << 50)));
                  return {};
                })
                .error()
                .code,
            EUCLEAN);
}

TEST_F(TransactionTest, CallbacksRunForWhatHappened) {
  std::string log;
  ASSERT_TRUE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    tx.OnCommit([&] { log += "a"; });
    tx.OnCommit([&] { log += "b"; });
    tx.OnAbort([&] { log += "x"; });
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 5;
    return {};
  }));
  EXPECT_EQ(log, "ab");
  EXPECT_FALSE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    tx.OnCommit([&] { log += "c"; });
    tx.OnAbort([&] { log += "y"; });
    tx.OnAbort([&] { log += "z"; });
    return Fail(ENOSPC);
  }));
  EXPECT_EQ(log, "abzy");
}

TEST_F(TransactionTest, F5NothingCommitsAfterAShutdown) {
  const Image before = parts_.Image();
  const auto failed = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(OrphanBlock * block, EditOrphans(tx));
    block->ino[0] = 5;
    parts_.medium().Shutdown("test");
    return {};
  });
  EXPECT_EQ(failed.error().code, EIO);
  EXPECT_EQ(before, parts_.Image());
  EXPECT_EQ(SetOrphan(0, 1).error().code, EIO);
}

TEST_F(TransactionTest, ReadOnlyMediumRefusesChangesAndAllowsNone) {
  parts_.medium().set_read_only(true);
  EXPECT_EQ(SetOrphan(0, 1).error().code, EROFS);
  EXPECT_TRUE(parts_.runner().Run([](Transaction&) -> Result<void> { return {}; }));
}

TEST_F(TransactionTest, TooBigWithoutASpillIsNoSpaceAndNoChange) {
  const Pfn cluster(parts_.superblock().inode_cluster0);
  bool aborted = false;
  const auto failed = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
    tx.OnAbort([&] { aborted = true; });
    for (uint64_t ino = 16; ino < kInodesPerCluster; ++ino) {
      HOLDFAST_ASSIGN(void* slot, tx.Edit(SlotId(cluster, Ino(ino))));
      std::memset(static_cast<InodeSlot*>(slot)->inline_area, 1, kInlineBytes);
    }
    EXPECT_FALSE(tx.FitsLane(0));
    return {};
  });
  EXPECT_EQ(failed.error().code, ENOSPC);
  EXPECT_TRUE(aborted);
  EXPECT_TRUE(SetOrphan(0, 1));  // the journal is still of use
}

TEST_F(TransactionTest, AfterCommitHookRunsOncePerCommit) {
  int calls = 0;
  parts_.runner().set_after_commit([&] { ++calls; });
  ASSERT_TRUE(SetOrphan(0, 1));
  EXPECT_FALSE(parts_.runner().Run([](Transaction&) -> Result<void> { return Fail(ENOENT); }));
  EXPECT_EQ(calls, 1);
}

// The body asks for locks in an order that collides; each increments both counters under them.
TEST_F(TransactionTest, CollidingTransactionsRestartAndLoseNothing) {
  constexpr int kThreads = 6;
  constexpr uint64_t kRounds = 300;
  const ResourceKey low{ResourceClass::kOrphanBlock, 0};
  const ResourceKey high{ResourceClass::kQuarantine, 0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < kRounds; ++i) {
        const auto done = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
          HOLDFAST_TRY(tx.Lock(t % 2 == 0 ? low : high));
          HOLDFAST_TRY(tx.Lock(t % 2 == 0 ? high : low));
          HOLDFAST_ASSIGN(OrphanBlock * orphans, EditOrphans(tx));
          ++orphans->ino[static_cast<size_t>(t)];
          ++orphans->ino[100];
          HOLDFAST_ASSIGN(auto* quarantine,
                          tx.EditBlock<QuarantineBlock>(parts_.quarantine_block(),
                                                        ObjectType::kQuarantine, kInoQuarantine));
          ++quarantine->records[0].batch;
          return {};
        });
        ASSERT_TRUE(done) << done.error().Text();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(OrphanAt(100), kThreads * kRounds);
  for (size_t t = 0; t < kThreads; ++t) EXPECT_EQ(OrphanAt(t), kRounds);
  parts_.Remount();
  EXPECT_EQ(OrphanAt(100), kThreads * kRounds);
}

// Each thread changes its own inode slot: all lanes at work, slots of one block side by side.
TEST_F(TransactionTest, IndependentTransactionsRunSideBySide) {
  constexpr uint64_t kThreads = 8;
  const Pfn cluster(parts_.superblock().inode_cluster0);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        ASSERT_TRUE(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
          HOLDFAST_ASSIGN(void* slot, tx.Edit(SlotId(cluster, Ino(16 + t))));
          ++static_cast<InodeSlot*>(slot)->size;
          return {};
        }));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  parts_.Remount();
  for (uint64_t t = 0; t < kThreads; ++t) {
    const auto slot = parts_.medium().Load(SlotId(cluster, Ino(16 + t)));
    ASSERT_TRUE(slot) << slot.error().Text();
    EXPECT_EQ(static_cast<const InodeSlot*>(*slot)->size, 300U);
  }
}

// A transaction that changes three objects and creates one, cut after every event; and at every cut
// with each store of the interval since the last drain missing, torn in half, or alone.
TEST(TransactionCrash, AllOrNothingAtEveryCut) {
  tests::Recorder recorder;
  FormattedMedium parts(FormattedMedium::kDefaultBytes, {}, &recorder);
  const Pfn cluster(parts.superblock().inode_cluster0);
  const Pfn value_at = parts.first_free();
  const Image before = parts.Image();
  ASSERT_TRUE(parts.runner().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(auto* orphans,
                    tx.EditBlock<OrphanBlock>(parts.orphan_block(), ObjectType::kOrphans, 3));
    orphans->ino[0] = orphans->ino[200] = 20;
    HOLDFAST_ASSIGN(void* slot, tx.Edit(SlotId(cluster, Ino(20))));
    static_cast<InodeSlot*>(slot)->xattr_block = value_at.value();
    HOLDFAST_ASSIGN(auto* head, tx.EditBlock<InodeCluster>(cluster, ObjectType::kInodeCluster, 2));
    --head->free_count;
    tx.CreateBlock<XattrValueBlock>(value_at, ObjectType::kXattrValue, 20)->used = 3;
    return {};
  }));

  // Everything or nothing, every object sound; returns which.
  const auto check = [&](const Image& image) {
    FormattedMedium found(image);
    const auto orphans =
        found.medium().Block<OrphanBlock>(found.orphan_block(), ObjectType::kOrphans, 3);
    const auto slot = found.medium().Load(SlotId(cluster, Ino(20)));
    const auto head = found.medium().Block<InodeCluster>(cluster, ObjectType::kInodeCluster, 2);
    EXPECT_TRUE(orphans && slot && head);
    if (!orphans || !slot || !head) return false;
    const bool there = (*orphans)->ino[0] == 20;
    EXPECT_EQ((*orphans)->ino[200], there ? 20U : 0U);
    EXPECT_EQ((*head)->free_count, there ? 103U : 104U);
    EXPECT_EQ(static_cast<const InodeSlot*>(*slot)->xattr_block, there ? value_at.value() : 0);
    if (there) {
      EXPECT_TRUE(found.medium().Block<XattrValueBlock>(value_at, ObjectType::kXattrValue, 20));
    }
    return there;
  };

  Image durable = before;
  std::vector<tests::RecordedEvent> in_flight;
  bool was_there = false;
  int drains = 0;
  for (const auto& event : recorder.Events()) {
    if (event.kind != tests::PersistEvent::kDrain) {
      if (event.length != 0 && event.kind != tests::PersistEvent::kFlush)
        in_flight.push_back(event);
      continue;
    }
    for (const auto& chosen : in_flight) {
      Image alone = durable;
      recorder.Apply(chosen, alone);
      check(alone);
      Image without = durable;
      for (const auto& other : in_flight) {
        if (&other != &chosen) recorder.Apply(other, without);
      }
      check(without);
      recorder.Apply(chosen, without, chosen.offset, chosen.length / 16 * 8);
      check(without);
    }
    for (const auto& store : in_flight) recorder.Apply(store, durable);
    in_flight.clear();
    const bool there = check(durable);
    EXPECT_TRUE(there || !was_there);
    was_there = there;
    ++drains;
  }
  EXPECT_TRUE(was_there);
  EXPECT_EQ(drains, 4);  // created block, record, contents, retirement
}

}  // namespace
}  // namespace holdfast::fsmeta
