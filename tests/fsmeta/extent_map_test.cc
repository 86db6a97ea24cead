// SPDX-License-Identifier: Apache-2.0
// Tests of extent maps against a block per block model, with the reverse map in step.
#include "fsmeta/extent_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Ino kIno{20};
constexpr Ino kOther{21};
constexpr uint64_t kBase = 3 * 1024 + 16;  // blocks of one group, clear of its metadata

Extent MakeExtent(uint64_t file_block, uint64_t block, uint64_t length, uint32_t flags = 0) {
  return {FileBlock(file_block), {Pfn(kBase + block), BlockCount(length)}, flags};
}

// Extents over blocks that the bitmap says nothing about: the map does not ask.
class ExtentMapTest : public testing::Test {
 protected:
  Result<void> Insert(const Extent& extent) {
    return rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) {
      return rig_.map->Insert(tx, slot, extent, AllocFor::kData);
    });
  }
  std::vector<Extent> Remove(uint64_t from, uint64_t to, size_t max = SIZE_MAX) {
    std::vector<Extent> out;
    const auto done = rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      HOLDFAST_ASSIGN(at_, rig_.map->Remove(tx, slot, FileBlock(from), FileBlock(to), max, &out));
      return {};
    });
    EXPECT_TRUE(done) << done.error().Text();
    return out;
  }
  Result<void> SetUnwritten(uint64_t from, uint64_t to, bool unwritten) {
    return rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) {
      return rig_.map->SetUnwritten(tx, slot, FileBlock(from), FileBlock(to), unwritten,
                                    AllocFor::kData);
    });
  }
  Result<void> Shift(uint64_t from, int64_t delta) {
    return rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) {
      return rig_.map->Shift(tx, slot, FileBlock(from), delta, AllocFor::kMetadata);
    });
  }
  std::vector<Extent> All() {
    rig_.CheckInode(kIno);
    return rig_.Extents(kIno);
  }
  // `count` extents of one block that never merge: every second file block, every third block.
  void InsertScattered(uint64_t count, uint64_t from = 0) {
    ASSERT_TRUE(rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      for (uint64_t i = from; i < from + count; ++i) {
        HOLDFAST_TRY(
            rig_.map->Insert(tx, slot, MakeExtent(2 * i, 3 * i % 900, 1), AllocFor::kData));
      }
      return {};
    }));
  }

  SpaceRig rig_;
  FileBlock at_;
};

TEST_F(ExtentMapTest, AnEmptyFileIsAHole) {
  Medium& medium = rig_.parts.medium();
  EXPECT_EQ(*rig_.map->Find(medium, rig_.Slot(kIno), FileBlock(0)), std::nullopt);
  EXPECT_EQ(*rig_.map->Next(medium, rig_.Slot(kIno), FileBlock(0)), std::nullopt);
  EXPECT_EQ(*rig_.map->Before(medium, rig_.Slot(kIno), FileBlock(99)), std::nullopt);
  EXPECT_THAT(Remove(0, 100), IsEmpty());
  EXPECT_EQ(at_, FileBlock(100));
  EXPECT_THAT(All(), IsEmpty());
}

TEST_F(ExtentMapTest, FindNextAndBefore) {
  ASSERT_TRUE(Insert(MakeExtent(10, 0, 5)));
  ASSERT_TRUE(Insert(MakeExtent(20, 10, 5)));
  const Extent first = MakeExtent(10, 0, 5);
  const Extent second = MakeExtent(20, 10, 5);
  Medium& medium = rig_.parts.medium();
  const InodeSlot& slot = rig_.Slot(kIno);
  EXPECT_EQ(*rig_.map->Find(medium, slot, FileBlock(9)), std::nullopt);
  EXPECT_EQ(*rig_.map->Find(medium, slot, FileBlock(10)), first);
  EXPECT_EQ(*rig_.map->Find(medium, slot, FileBlock(14)), first);
  EXPECT_EQ(*rig_.map->Find(medium, slot, FileBlock(15)), std::nullopt);
  EXPECT_EQ(*rig_.map->Next(medium, slot, FileBlock(0)), first);
  EXPECT_EQ(*rig_.map->Next(medium, slot, FileBlock(14)), first);
  EXPECT_EQ(*rig_.map->Next(medium, slot, FileBlock(15)), second);
  EXPECT_EQ(*rig_.map->Next(medium, slot, FileBlock(25)), std::nullopt);
  EXPECT_EQ(*rig_.map->Before(medium, slot, FileBlock(10)), std::nullopt);
  EXPECT_EQ(*rig_.map->Before(medium, slot, FileBlock(11)), first);
  EXPECT_EQ(*rig_.map->Before(medium, slot, FileBlock(20)), first);
  EXPECT_EQ(*rig_.map->Before(medium, slot, FileBlock(~uint64_t{0})), second);
}

TEST_F(ExtentMapTest, NeighboursThatContinueEachOtherAreOneExtent) {
  ASSERT_TRUE(Insert(MakeExtent(10, 10, 5)));
  ASSERT_TRUE(Insert(MakeExtent(15, 15, 5)));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(10, 10, 10)));
  ASSERT_TRUE(Insert(MakeExtent(5, 5, 5)));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(5, 5, 15)));
  ASSERT_TRUE(Insert(MakeExtent(30, 30, 5)));
  ASSERT_TRUE(Insert(MakeExtent(20, 20, 10)));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(5, 5, 30)));
}

TEST_F(ExtentMapTest, OtherBlocksFlagsOrGroupsDoNotMerge) {
  ASSERT_TRUE(Insert(MakeExtent(10, 10, 5)));
  ASSERT_TRUE(Insert(MakeExtent(15, 16, 5)));
  ASSERT_TRUE(Insert(MakeExtent(20, 21, 5, kExtentUnwritten)));
  EXPECT_EQ(All().size(), 3U);
  const uint64_t group_end = 4 * 1024 - kBase;
  ASSERT_TRUE(Insert(MakeExtent(100, group_end - 4, 4)));
  // The next group begins with metadata; nothing may reach over.
  EXPECT_EQ(Insert(MakeExtent(200, group_end - 4, 8)).error().code, EUCLEAN);
  EXPECT_EQ(All().size(), 4U);
}

TEST_F(ExtentMapTest, OnlyAHoleCanBeMapped) {
  ASSERT_TRUE(Insert(MakeExtent(10, 10, 5)));
  for (const auto& [at, length] : {std::pair{8, 3}, {10, 5}, {12, 1}, {14, 9}, {5, 20}}) {
    EXPECT_EQ(Insert(MakeExtent(at, 100, length)).error().code, EUCLEAN);
  }
  EXPECT_THAT(All(), ElementsAre(MakeExtent(10, 10, 5)));
}

TEST_F(ExtentMapTest, RemoveSplitsAtItsEdges) {
  ASSERT_TRUE(Insert(MakeExtent(0, 0, 100)));
  EXPECT_THAT(Remove(40, 60), ElementsAre(MakeExtent(40, 40, 20)));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 40), MakeExtent(60, 60, 40)));
  EXPECT_THAT(Remove(0, 10), ElementsAre(MakeExtent(0, 0, 10)));
  EXPECT_THAT(Remove(90, 1000), ElementsAre(MakeExtent(90, 90, 10)));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(10, 10, 30), MakeExtent(60, 60, 30)));
  EXPECT_THAT(Remove(20, 70), ElementsAre(MakeExtent(20, 20, 20), MakeExtent(60, 60, 10)));
  EXPECT_THAT(Remove(0, 1000), ElementsAre(MakeExtent(10, 10, 10), MakeExtent(70, 70, 20)));
  EXPECT_THAT(All(), IsEmpty());
}

TEST_F(ExtentMapTest, RemoveStopsAfterSoManyPieces) {
  InsertScattered(20);
  EXPECT_EQ(Remove(1, 39, 3).size(), 3U);
  EXPECT_EQ(at_, FileBlock(7));
  EXPECT_EQ(All().size(), 17U);
  EXPECT_EQ(Remove(at_.value(), 39).size(), 16U);
  EXPECT_EQ(at_, FileBlock(39));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 1)));
}

TEST_F(ExtentMapTest, TheEleventhExtentMakesATreeAndTheFifthLeftEndsIt) {
  const uint64_t free = rig_.free();
  InsertScattered(10);
  EXPECT_EQ(rig_.Slot(kIno).data_form, static_cast<uint8_t>(DataForm::kExtents));
  InsertScattered(1, 10);
  EXPECT_EQ(rig_.Slot(kIno).data_form, static_cast<uint8_t>(DataForm::kTree));
  EXPECT_EQ(All().size(), 11U);
  Remove(0, 2 * 5);
  EXPECT_EQ(rig_.Slot(kIno).data_form, static_cast<uint8_t>(DataForm::kTree));
  EXPECT_EQ(All().size(), 6U);
  Remove(10, 11);
  EXPECT_EQ(rig_.Slot(kIno).data_form, static_cast<uint8_t>(DataForm::kExtents));
  EXPECT_EQ(All().size(), 5U);
  Remove(0, 100);
  EXPECT_EQ(rig_.Slot(kIno).data_form, static_cast<uint8_t>(DataForm::kNone));
  EXPECT_EQ(rig_.free(), free) << "every node is free again";
}

TEST_F(ExtentMapTest, SetUnwrittenSplitsAndMerges) {
  ASSERT_TRUE(Insert(MakeExtent(0, 0, 100, kExtentUnwritten)));
  ASSERT_TRUE(SetUnwritten(40, 50, false));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 40, kExtentUnwritten), MakeExtent(40, 40, 10),
                                 MakeExtent(50, 50, 50, kExtentUnwritten)));
  ASSERT_TRUE(SetUnwritten(50, 60, false));
  ASSERT_TRUE(SetUnwritten(30, 45, false));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 30, kExtentUnwritten), MakeExtent(30, 30, 30),
                                 MakeExtent(60, 60, 40, kExtentUnwritten)));
  ASSERT_TRUE(SetUnwritten(0, 1000, false));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 100)));
  ASSERT_TRUE(SetUnwritten(10, 90, true));
  ASSERT_TRUE(SetUnwritten(0, 1000, true));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 100, kExtentUnwritten)));
  EXPECT_EQ(rig_.Slot(kIno).blocks, 100U);
}

TEST_F(ExtentMapTest, SetUnwrittenLeavesHolesAlone) {
  InsertScattered(30);
  ASSERT_TRUE(SetUnwritten(1, 40, true));
  const std::vector<Extent> all = All();
  ASSERT_EQ(all.size(), 30U);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].unwritten(), i > 0 && i < 20) << i;
}

TEST_F(ExtentMapTest, ShiftUpSplitsAndShiftDownMergesAgain) {
  ASSERT_TRUE(Insert(MakeExtent(0, 0, 100)));
  ASSERT_TRUE(Insert(MakeExtent(200, 300, 10)));
  ASSERT_TRUE(Shift(50, 1000));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 50), MakeExtent(1050, 50, 50),
                                 MakeExtent(1200, 300, 10)));
  ASSERT_TRUE(Shift(1050, -1000));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 0, 100), MakeExtent(200, 300, 10)));
}

TEST_F(ExtentMapTest, ShiftOfATreeMovesEveryExtent) {
  InsertScattered(800);
  ASSERT_TRUE(Shift(500, 77));
  std::vector<Extent> all = All();
  ASSERT_EQ(all.size(), 800U);
  for (uint64_t i = 0; i < 800; ++i) {
    ASSERT_EQ(all[i].file_block, FileBlock(2 * i + (i >= 250 ? 77 : 0)));
  }
  ASSERT_TRUE(Shift(577, -77));
  all = All();
  for (uint64_t i = 0; i < 800; ++i) ASSERT_EQ(all[i].file_block, FileBlock(2 * i));
}

// The reverse map's keys of one block differ in the file block only, and pass each other by.
TEST_F(ExtentMapTest, ShiftOfABlockSharedInsideTheFileKeepsItsOwnersApart) {
  for (const uint64_t at : {0, 10, 20, 30, 40}) ASSERT_TRUE(Insert(MakeExtent(at, 5, 1)));
  ASSERT_TRUE(Shift(10, 10));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(0, 5, 1), MakeExtent(20, 5, 1), MakeExtent(30, 5, 1),
                                 MakeExtent(40, 5, 1), MakeExtent(50, 5, 1)));
  ASSERT_TRUE(Shift(20, -10));
  EXPECT_EQ(All()[1], MakeExtent(10, 5, 1));
}

TEST_F(ExtentMapTest, ShiftRefusesWhatIsNoHoleAndWhatLeavesTheFile) {
  ASSERT_TRUE(Insert(MakeExtent(10, 0, 10)));
  ASSERT_TRUE(Insert(MakeExtent(100, 50, 10)));
  EXPECT_EQ(Shift(100, -81).error().code, EINVAL);
  EXPECT_EQ(Shift(105, -5).error().code, EINVAL) << "it straddles";
  EXPECT_EQ(Shift(5, -6).error().code, EINVAL);
  EXPECT_EQ(Shift(10, static_cast<int64_t>(kMaxFileBlocks) - 109).error().code, EFBIG);
  ASSERT_TRUE(Shift(100, -80));
  EXPECT_THAT(All(), ElementsAre(MakeExtent(10, 0, 10), MakeExtent(20, 50, 10)));
  ASSERT_TRUE(Shift(10, static_cast<int64_t>(kMaxFileBlocks) - 30));
  EXPECT_EQ(All().back().end(), FileBlock(kMaxFileBlocks));
}

TEST_F(ExtentMapTest, TheLastBlockOfTheLargestFileCanBeMapped) {
  const Extent last = MakeExtent(kMaxFileBlocks - 1, 0, 1);
  ASSERT_TRUE(Insert(last));
  EXPECT_EQ(*rig_.map->Find(rig_.parts.medium(), rig_.Slot(kIno), FileBlock(kMaxFileBlocks - 1)),
            last);
  EXPECT_EQ(Insert(MakeExtent(kMaxFileBlocks, 5, 1)).error().code, EFBIG);
  EXPECT_EQ(Insert(MakeExtent(~uint64_t{0}, 5, 1)).error().code, EFBIG);
  EXPECT_THAT(Remove(0, kMaxFileBlocks), ElementsAre(last));
}

TEST_F(ExtentMapTest, ForEachGivesWholeExtentsOfTheRangeUntilToldToStop) {
  InsertScattered(20);
  std::vector<uint64_t> seen;
  const auto collect = [&](const Extent& extent) {
    seen.push_back(extent.file_block.value());
    return seen.size() < 3;
  };
  ASSERT_TRUE(rig_.map->ForEach(rig_.parts.medium(), rig_.Slot(kIno), FileBlock(3), FileBlock(39),
                                collect));
  EXPECT_THAT(seen, ElementsAre(4, 6, 8));
  seen.clear();
  ASSERT_TRUE(
      rig_.map->ForEach(rig_.parts.medium(), rig_.Slot(kIno), FileBlock(4), FileBlock(7), collect));
  EXPECT_THAT(seen, ElementsAre(4, 6));
}

TEST_F(ExtentMapTest, BlocksThatDoNotAddUpAreCorruption) {
  ASSERT_TRUE(Insert(MakeExtent(0, 0, 10)));
  ASSERT_TRUE(rig_.Change(kIno, [](Transaction&, InodeSlot* slot) -> Result<void> {
    slot->blocks = 9;
    return {};
  }));
  std::vector<Extent> out;
  const auto done = rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
    HOLDFAST_TRY(rig_.map->Remove(tx, slot, FileBlock(0), FileBlock(10), 1, &out));
    return {};
  });
  EXPECT_EQ(done.error().code, EUCLEAN);
}

// A file as a block per block model, on real allocations.
class FileModel {
 public:
  FileModel(SpaceRig& rig, uint64_t seed) : rig_(rig), random_(seed) {}

  void Step() {
    Blocks next = blocks_;
    const bool abort = random_() % 10 == 0;
    const auto done = rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      HOLDFAST_TRY(Do(tx, slot, &next));
      return abort ? Result<void>(Fail(ECANCELED)) : Result<void>();
    });
    ASSERT_EQ(done ? 0 : done.error().code, abort ? ECANCELED : 0) << done.error().Text();
    if (!abort) blocks_ = std::move(next);
  }

  void Check() {
    rig_.CheckInode(kIno);
    Blocks found;
    for (const Extent& extent : rig_.Extents(kIno)) {
      for (uint64_t i = 0; i < extent.length().value(); ++i) {
        found[extent.file_block.value() + i] = {extent.run.start.value() + i, extent.flags};
      }
    }
    EXPECT_TRUE(found == blocks_);
  }

  Result<void> RemoveAll() {
    return rig_.Change(kIno, [&](Transaction& tx, InodeSlot* slot) {
      blocks_.clear();
      return Remove(tx, slot, 0, kMaxFileBlocks);
    });
  }

 private:
  using Blocks = std::map<uint64_t, std::pair<uint64_t, uint32_t>>;
  static constexpr uint64_t kFileBlocks = 1500;

  Result<void> Do(Transaction& tx, InodeSlot* slot, Blocks* next) {
    const uint64_t from = random_() % kFileBlocks;
    const uint64_t to = from + 1 + random_() % 30;
    switch (random_() % 8) {
      case 0:
        return Shift(tx, slot, next, from, random_() % 40);
      case 1:
        next->erase(next->lower_bound(from), next->lower_bound(to + 40));
        return Remove(tx, slot, from, to + 40);
      case 2:
      case 3: {
        const bool unwritten = random_() % 2 == 0;
        for (auto at = next->lower_bound(from); at != next->lower_bound(to); ++at) {
          at->second.second = unwritten ? kExtentUnwritten : 0;
        }
        return rig_.map->SetUnwritten(tx, slot, FileBlock(from), FileBlock(to), unwritten,
                                      AllocFor::kData);
      }
      default:
        return Fill(tx, slot, next, from, to);
    }
  }

  Result<void> Remove(Transaction& tx, InodeSlot* slot, uint64_t from, uint64_t to) {
    std::vector<Extent> out;
    HOLDFAST_ASSIGN(const FileBlock end,
                    rig_.map->Remove(tx, slot, FileBlock(from), FileBlock(to), SIZE_MAX, &out));
    EXPECT_EQ(end, FileBlock(to));
    return ReleaseExtents(tx, rig_.tools(), out, nullptr);
  }

  // Maps what is a hole in [from, to).
  Result<void> Fill(Transaction& tx, InodeSlot* slot, Blocks* next, uint64_t from, uint64_t to) {
    const uint32_t flags = random_() % 2 == 0 ? kExtentUnwritten : 0;
    while (from < to) {
      const auto mapped = next->lower_bound(from);
      const uint64_t end = mapped == next->end() ? to : std::min(to, mapped->first);
      if (end == from) {
        ++from;
        continue;
      }
      const Pfn goal(random_() % 2 == 0 ? 0 : random_() % rig_.parts.superblock().block_count);
      HOLDFAST_ASSIGN(const BlockRun run,
                      rig_.allocator->Allocate(tx, BlockCount(end - from), goal, AllocFor::kData));
      HOLDFAST_TRY(rig_.map->Insert(tx, slot, {FileBlock(from), run, flags}, AllocFor::kData));
      for (uint64_t i = 0; i < run.length.value(); ++i) {
        (*next)[from + i] = {run.start.value() + i, flags};
      }
      from += run.length.value();
    }
    return {};
  }

  // Up by `n`, or, if there is a hole of `n` before `from`, down by `n`.
  Result<void> Shift(Transaction& tx, InodeSlot* slot, Blocks* next, uint64_t from, uint64_t n) {
    const auto first = next->lower_bound(from);
    const uint64_t hole = first == next->begin() ? from : from - std::prev(first)->first - 1;
    const bool down = hole >= n && random_() % 4 != 0;
    if (!down && !next->empty() && next->rbegin()->first > 2 * kFileBlocks) return {};
    const auto delta = static_cast<int64_t>(n) * (down ? -1 : 1);
    Blocks moved(next->begin(), first);
    for (auto at = first; at != next->end(); ++at) {
      moved[at->first + static_cast<uint64_t>(delta)] = at->second;
    }
    *next = std::move(moved);
    return rig_.map->Shift(tx, slot, FileBlock(from), delta, AllocFor::kMetadata);
  }

  SpaceRig& rig_;
  std::mt19937_64 random_;
  Blocks blocks_;
};

TEST(ExtentMap, RandomChangesAgreeWithABlockPerBlockModel) {
  for (const uint64_t seed : {51, 52, 53}) {
    SpaceRig rig;
    const uint64_t free = rig.free();
    FileModel model(rig, seed);
    for (int step = 0; step < 700; ++step) {
      model.Step();
      if (step % 10 == 0) model.Check();
      if (step % 200 == 199) rig.Remount();
    }
    model.Check();
    ASSERT_TRUE(model.RemoveAll());
    model.Check();
    EXPECT_EQ(rig.free(), free) << "blocks or nodes leaked";
  }
}

TEST(ExtentMap, AChainOfRemovalsNeverNeedsMoreThanALane) {
  SpaceRig rig(uint64_t{32} << 20, {.group_blocks = 1024, .lane_blocks = 8});
  rig.parts.journal().set_spill_source(nullptr);
  const uint64_t free = rig.free();
  ASSERT_TRUE(rig.FillScattered(kIno, 2000));
  FileBlock at(0);
  int transactions = 0;
  while (at < FileBlock(kMaxFileBlocks)) {
    FileBlock next;
    const auto done = rig.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      std::vector<Extent> out;
      HOLDFAST_ASSIGN(next, rig.map->RemoveFitting(tx, slot, at, FileBlock(kMaxFileBlocks), &out));
      return ReleaseExtents(tx, rig.tools(), out, nullptr);
    });
    ASSERT_TRUE(done) << done.error().Text();
    ASSERT_GT(next, at);
    at = next;
    ++transactions;
  }
  EXPECT_GT(transactions, 10);
  EXPECT_LT(transactions, 300) << "several extents go in each";
  rig.CheckInode(kIno);
  EXPECT_EQ(rig.free(), free);
}

TEST(ExtentMap, ReleaseFreesWhatNobodyOwnsAnyMore) {
  SpaceRig rig;
  const uint64_t free = rig.free();
  Extent whole;
  ASSERT_TRUE(rig.Change(kIno, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
    HOLDFAST_ASSIGN(const BlockRun run,
                    rig.allocator->Allocate(tx, BlockCount(100), Pfn(0), AllocFor::kData, true));
    whole = {FileBlock(0), run, 0};
    return rig.map->Insert(tx, slot, whole, AllocFor::kData);
  }));
  // The middle belongs to another file, too.
  const Extent shared = whole.Part(FileBlock(40), FileBlock(60));
  ASSERT_TRUE(rig.Change(kOther, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
    HOLDFAST_TRY(rig.refcounts->Increment(tx, shared.run, AllocFor::kMetadata));
    return rig.map->Insert(tx, slot, shared, AllocFor::kData);
  }));
  const auto remove = [&](Ino ino) {
    std::vector<BlockRun> freed;
    EXPECT_TRUE(rig.Change(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      std::vector<Extent> out;
      HOLDFAST_TRY(
          rig.map->Remove(tx, slot, FileBlock(0), FileBlock(kMaxFileBlocks), SIZE_MAX, &out));
      return ReleaseExtents(tx, rig.tools(), out, &freed);
    }));
    return freed;
  };
  EXPECT_THAT(remove(kIno), ElementsAre(whole.Part(FileBlock(0), FileBlock(40)).run,
                                        whole.Part(FileBlock(60), FileBlock(100)).run));
  rig.CheckInode(kOther);
  EXPECT_THAT(remove(kOther), ElementsAre(shared.run));
  EXPECT_EQ(rig.free(), free);
}

}  // namespace
}  // namespace holdfast::fsmeta
