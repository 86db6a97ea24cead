// SPDX-License-Identifier: Apache-2.0
// What the quarantine file remembers: runs by batch, their holders, holders of inodes (rule L11).
#include "fsmeta/quarantine_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::PfnRange;
using daxcore::ProcessId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr ProcessId kAnna{100, 5000};
constexpr ProcessId kBert{200, 6000};

BlockRun Blocks(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }
PfnRange Pages(uint64_t start, uint64_t length) { return {Pfn(start), BlockCount(length)}; }

class QuarantineFileTest : public testing::Test {
 protected:
  QuarantineFileTest() : parts_(64 * kMiB) { Open(); }

  void Open() {
    file_ = std::make_unique<QuarantineFile>(parts_.medium(), parts_.inodes(), parts_.extents());
    const auto loaded = file_->Load();
    error_ = loaded ? 0 : loaded.error().code;
    contents_ = loaded.value_or(QuarantineContents{});
  }
  void Remount() {
    Reopen([this] { parts_.Remount(); });
  }
  void Reboot() {
    Reopen([this] { parts_.Reboot(); });
  }
  template <typename F>
  void Reopen(F&& remount) {
    file_.reset();
    remount();
    Open();
  }
  Result<void> Add(std::vector<BlockRun> runs, uint64_t former, std::vector<ProcessId> holders) {
    return parts_.Run(
        [&](Transaction& tx) { return file_->AddRuns(tx, runs, Ino(former), holders); });
  }
  std::vector<BlockRun> Remove(std::vector<PfnRange> pages) {
    const auto owned = parts_.Run([&](Transaction& tx) -> Result<std::vector<BlockRun>> {
      std::vector<BlockRun> runs;
      HOLDFAST_TRY(file_->RemoveRuns(tx, pages, &runs));
      return runs;
    });
    EXPECT_TRUE(owned) << owned.error().Text();
    return owned.value_or(std::vector<BlockRun>());
  }
  // The runs that a mount finds, in order.
  std::vector<BlockRun> RunsFound() const {
    std::vector<BlockRun> runs;
    for (const auto& run : contents_.runs) runs.push_back({run.pages.start, run.pages.length});
    std::ranges::sort(runs);
    return runs;
  }
  uint64_t RecordsOnMedium() {
    uint64_t records = 0;
    const auto block = parts_.medium().Block<QuarantineBlock>(
        parts_.base().quarantine_block(), ObjectType::kQuarantine, kInoQuarantine);
    EXPECT_TRUE(block);
    for (const QuarantineRecord& record : (*block)->records) records += record.kind != 0 ? 1 : 0;
    return records;
  }
  // Overwrites a record of the first block on the medium.
  template <typename F>
  void CorruptRecord(F&& change) {
    const ObjectId id{ObjectType::kQuarantine, ByteOffset(parts_.base().quarantine_block()),
                      kMetadataBlock, kInoQuarantine};
    Region& region = parts_.base().region();
    QuarantineBlock block;
    std::memcpy(&block, region.At(id.offset), sizeof(block));
    change(block.records[0]);
    SealObject(&block, id, parts_.medium().uuid(), 1);
    region.persist().Store(region.Target(id.offset), &block, sizeof(block));
    Remount();
  }

  tests::MountedParts parts_;
  std::unique_ptr<QuarantineFile> file_;
  QuarantineContents contents_;
  int error_ = 0;
};

TEST_F(QuarantineFileTest, L11RunsAndTheirHoldersSurviveACrash) {
  ASSERT_TRUE(Add({Blocks(3000, 10), Blocks(4000, 1)}, 77, {kAnna, kBert}));
  ASSERT_TRUE(Add({Blocks(5000, 2)}, 88, {}));
  Remount();
  EXPECT_THAT(RunsFound(), ElementsAre(Blocks(3000, 10), Blocks(4000, 1), Blocks(5000, 2)));
  for (const auto& run : contents_.runs) {
    if (run.pages.start == Pfn(5000)) {
      EXPECT_EQ(run.former_ino, Ino(88));
      EXPECT_THAT(run.holders, IsEmpty());
    } else {
      EXPECT_EQ(run.former_ino, Ino(77));
      EXPECT_THAT(run.holders, UnorderedElementsAre(kAnna, kBert));
    }
  }
  EXPECT_THAT(contents_.expired, IsEmpty());
}

TEST_F(QuarantineFileTest, AnAbortPutsNothingOnRecord) {
  ASSERT_TRUE(Add({Blocks(3000, 10)}, 77, {kAnna}));
  const auto failed = parts_.Run([&](Transaction& tx) -> Result<void> {
    const std::vector<BlockRun> runs = {Blocks(6000, 3)};
    const std::vector<ProcessId> holders = {kBert};
    HOLDFAST_TRY(file_->AddRuns(tx, runs, Ino(5), holders));
    const std::vector<PfnRange> pages = {Pages(3002, 3)};
    std::vector<BlockRun> owned;
    HOLDFAST_TRY(file_->RemoveRuns(tx, pages, &owned));
    EXPECT_THAT(owned, ElementsAre(Blocks(3002, 3)));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_THAT(Remove({Pages(6000, 3)}), IsEmpty());
  EXPECT_THAT(Remove({Pages(3000, 10)}), ElementsAre(Blocks(3000, 10)));
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, PiecesLeaveARunFromBothEndsAndTheMiddle) {
  ASSERT_TRUE(Add({Blocks(3000, 10)}, 77, {kAnna}));
  EXPECT_THAT(Remove({Pages(3000, 1)}), ElementsAre(Blocks(3000, 1)));
  EXPECT_THAT(Remove({Pages(3009, 1)}), ElementsAre(Blocks(3009, 1)));
  EXPECT_THAT(Remove({Pages(3004, 2), Pages(3007, 1)}),
              ElementsAre(Blocks(3004, 2), Blocks(3007, 1)));
  Remount();
  EXPECT_THAT(RunsFound(), ElementsAre(Blocks(3001, 3), Blocks(3006, 1), Blocks(3008, 1)));
  for (const auto& run : contents_.runs) EXPECT_THAT(run.holders, ElementsAre(kAnna));
  EXPECT_THAT(Remove({Pages(2990, 30)}),
              ElementsAre(Blocks(3001, 3), Blocks(3006, 1), Blocks(3008, 1)));
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, HoldersOfABatchGoWithItsLastRun) {
  ASSERT_TRUE(Add({Blocks(3000, 1), Blocks(3002, 1)}, 77, {kAnna, kBert}));
  EXPECT_EQ(RecordsOnMedium(), 4U);
  Remove({Pages(3000, 1)});
  EXPECT_EQ(RecordsOnMedium(), 3U);
  Remove({Pages(3002, 1)});
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, ASharedPageHasARecordForEachFileItLeft) {
  ASSERT_TRUE(Add({Blocks(3000, 10)}, 1001, {kAnna}));
  ASSERT_TRUE(Add({Blocks(3004, 10)}, 1002, {kBert}));
  // Each release ends one: the later one first.
  EXPECT_THAT(Remove({Pages(3000, 14)}), ElementsAre(Blocks(3000, 4), Blocks(3004, 10)));
  Remount();
  EXPECT_THAT(RunsFound(), ElementsAre(Blocks(3004, 6)));
  EXPECT_THAT(contents_.runs[0].holders, ElementsAre(kAnna));
  EXPECT_THAT(Remove({Pages(3000, 14), Pages(3000, 14)}), ElementsAre(Blocks(3004, 6)));
  // Two listings of the same page end two.
  ASSERT_TRUE(Add({Blocks(3000, 1)}, 1001, {}));
  ASSERT_TRUE(Add({Blocks(3000, 1)}, 1002, {}));
  EXPECT_THAT(Remove({Pages(3000, 1), Pages(3000, 1)}),
              ElementsAre(Blocks(3000, 1), Blocks(3000, 1)));
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, L11_OfASharedPageTheRecordOfTheLivingStays) {
  const ProcessId self = *daxcore::Identify(getpid());
  ASSERT_TRUE(Add({Blocks(3000, 4)}, 1001, {kAnna}));  // dead
  ASSERT_TRUE(Add({Blocks(3000, 4)}, 1002, {self}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Remove({Pages(3000, 2)}), ElementsAre(Blocks(3000, 2)));
    Remount();
    ASSERT_FALSE(contents_.runs.empty());
    const auto& last = contents_.runs.back();
    EXPECT_THAT(last.holders, ElementsAre(self));
    if (i == 0) {
      ASSERT_TRUE(Add({Blocks(3000, 2)}, 1003, {kBert}));
    }
  }
}

TEST_F(QuarantineFileTest, PagesThatAreNotOnRecordAreNobodys) {
  ASSERT_TRUE(Add({Blocks(3000, 2)}, 77, {}));
  EXPECT_THAT(Remove({Pages(2000, 1000), Pages(3002, 5000), Pages(0, 16000)}),
              ElementsAre(Blocks(3000, 2)));
}

TEST_F(QuarantineFileTest, InodeHoldersSurviveACrashOnce) {
  const auto with = [&](auto&& what) { return parts_.Run(what); };
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(with([&](Transaction& tx) { return file_->AddHolder(tx, Ino(30), kAnna); }));
    ASSERT_TRUE(with([&](Transaction& tx) { return file_->AddHolder(tx, Ino(30), kBert); }));
    ASSERT_TRUE(with([&](Transaction& tx) { return file_->AddHolder(tx, Ino(31), kAnna); }));
    Remount();
    EXPECT_THAT(contents_.holders,
                UnorderedElementsAre(std::pair(Ino(30), kAnna), std::pair(Ino(30), kBert),
                                     std::pair(Ino(31), kAnna)));
  }
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(with([&](Transaction& tx) { return file_->RemoveHolder(tx, Ino(30), kAnna); }));
  }
  const auto failed = with([&](Transaction& tx) -> Result<void> {
    HOLDFAST_TRY(file_->RemoveHolder(tx, Ino(30), kBert));
    HOLDFAST_TRY(file_->AddHolder(tx, Ino(32), kBert));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  Remount();
  EXPECT_THAT(contents_.holders,
              UnorderedElementsAre(std::pair(Ino(30), kBert), std::pair(Ino(31), kAnna)));
  ASSERT_TRUE(with([&](Transaction& tx) { return file_->RemoveHolder(tx, Ino(30), kBert); }));
  ASSERT_TRUE(with([&](Transaction& tx) { return file_->RemoveHolder(tx, Ino(31), kAnna); }));
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, AfterARebootRunsAreToBeReleasedAndHoldersForgotten) {
  ASSERT_TRUE(Add({Blocks(3000, 10), Blocks(4000, 1)}, 77, {kAnna}));
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) { return file_->AddHolder(tx, Ino(77), kAnna); }));
  Reboot();
  EXPECT_THAT(contents_.runs, IsEmpty());
  EXPECT_THAT(contents_.holders, IsEmpty());
  EXPECT_THAT(contents_.expired, UnorderedElementsAre(Blocks(3000, 10), Blocks(4000, 1)));
  EXPECT_THAT(Remove({Pages(3000, 10), Pages(4000, 1)}),
              ElementsAre(Blocks(3000, 10), Blocks(4000, 1)));
  const auto forget = [&](Transaction& tx) { return file_->ForgetExpiredHolders(tx, 10); };
  EXPECT_FALSE(*parts_.Run(forget));
  EXPECT_EQ(RecordsOnMedium(), 0U);
}

TEST_F(QuarantineFileTest, AHolderOfThisBootIsNotTheSameProcessOfAnEarlierOne) {
  const auto add = [&](Transaction& tx) { return file_->AddHolder(tx, Ino(77), kAnna); };
  ASSERT_TRUE(parts_.Run(add));
  Reboot();
  ASSERT_TRUE(parts_.Run(add));
  Remount();
  EXPECT_THAT(contents_.holders, ElementsAre(std::pair(Ino(77), kAnna)));
}

TEST_F(QuarantineFileTest, ManyRecordsGrowTheFileOnAFullFilesystem) {
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) {
    return parts_.allocator().AllocateAll(tx, parts_.allocator().Totals()->available, Pfn(0),
                                          AllocFor::kData);
  }));
  std::vector<BlockRun> runs;
  for (uint64_t i = 0; i < 500; ++i) runs.push_back(Blocks(3000 + 2 * i, 1));
  ASSERT_TRUE(Add(runs, 77, {kAnna}));
  Remount();
  EXPECT_EQ(RunsFound(), runs);
  EXPECT_EQ(Remove({Pages(3000, 1000)}), runs);
  Remount();
  EXPECT_THAT(RunsFound(), IsEmpty());
}

TEST_F(QuarantineFileTest, ImpossibleRecordsAreUnclean) {
  void (*const changes[])(QuarantineRecord&) = {
      [](QuarantineRecord& r) { r.kind = 9; },
      [](QuarantineRecord& r) { r.block = 0; },
      [](QuarantineRecord& r) { r.block = ~uint64_t{0}; },
      [](QuarantineRecord& r) { r.length = 0; },
      [](QuarantineRecord& r) { r.length = ~uint64_t{0}; },
      [](QuarantineRecord& r) { r.length = 5000; },
      [](QuarantineRecord& r) {
        r.kind = static_cast<uint32_t>(QuarantineKind::kInodeHolder);
        r.holder_pid = 0x80000000;
      },
  };
  for (const auto& change : changes) {
    CorruptRecord([&](QuarantineRecord& record) {
      record = QuarantineRecord{};
      record.kind = static_cast<uint32_t>(QuarantineKind::kRun);
      record.block = 3000;
      record.length = 1;
    });
    EXPECT_EQ(error_, 0);
    CorruptRecord(change);
    EXPECT_EQ(error_, EUCLEAN);
  }
}

// Ownerships per page, by what was added and what `RemoveRuns` handed out.
TEST_F(QuarantineFileTest, RandomStepsAgainstACountPerPage) {
  std::mt19937_64 random(11);
  std::map<uint64_t, int> owned;
  const auto run = [&] { return Blocks(3000 + random() % 60, 1 + random() % 20); };
  for (int step = 0; step < 600; ++step) {
    if (step % 97 == 96) Remount();
    const bool commit = random() % 4 != 0;
    const BlockRun target = run();
    std::vector<BlockRun> taken;
    const bool add = random() % 2 == 0;
    const auto done = parts_.Run([&](Transaction& tx) -> Result<void> {
      taken.clear();
      if (add) {
        HOLDFAST_TRY(file_->AddRuns(tx, std::span(&target, 1), Ino(step), std::span(&kAnna, 1)));
      } else {
        const PfnRange pages{target.start, target.length};
        HOLDFAST_TRY(file_->RemoveRuns(tx, std::span(&pages, 1), &taken));
      }
      return commit ? Result<void>() : Fail(EXDEV);
    });
    ASSERT_EQ(done.has_value(), commit);
    std::map<uint64_t, int> seen;
    for (const BlockRun& part : taken) {
      for (uint64_t i = 0; i < part.length.value(); ++i) ++seen[part.start.value() + i];
    }
    for (uint64_t i = 0; i < target.length.value(); ++i) {
      int& count = owned[target.start.value() + i];
      if (!add) {
        ASSERT_EQ(seen[target.start.value() + i], count > 0 ? 1 : 0);
      }
      if (commit) count = add ? count + 1 : std::max(count - 1, 0);
    }
  }
  Remount();
  std::map<uint64_t, int> found;
  for (const BlockRun& part : RunsFound()) {
    for (uint64_t i = 0; i < part.length.value(); ++i) ++found[part.start.value() + i];
  }
  std::erase_if(owned, [](const auto& item) { return item.second == 0; });
  EXPECT_EQ(found, owned);
}

}  // namespace
}  // namespace holdfast::fsmeta
