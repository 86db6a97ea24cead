// SPDX-License-Identifier: Apache-2.0
// Orphans are listed, found again by the next mount, and taken off.
#include "fsmeta/orphans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

using testing::UnorderedElementsAre;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class OrphansTest : public testing::Test {
 protected:
  explicit OrphansTest(uint64_t bytes = 16 * kMiB) : parts_(bytes) { Open(); }

  std::vector<uint64_t> Open() {
    orphans_ = std::make_unique<Orphans>(parts_.medium(), parts_.inodes(), parts_.extents());
    const auto listed = orphans_->Load();
    EXPECT_TRUE(listed) << listed.error().Text();
    std::vector<uint64_t> numbers;
    for (const Ino ino : listed.value_or(std::vector<Ino>())) numbers.push_back(ino.value());
    return numbers;
  }
  std::vector<uint64_t> Remount() {
    orphans_.reset();
    parts_.Remount();
    return Open();
  }
  Result<Ino> MakeOrphan() {
    return parts_.Run([&](Transaction& tx) -> Result<Ino> {
      HOLDFAST_ASSIGN(const auto made, parts_.inodes().Allocate(tx, Ino(kInoRoot)));
      made.second->mode = S_IFREG;
      HOLDFAST_TRY(orphans_->Add(tx, made.first, made.second));
      return made.first;
    });
  }
  Result<void> Finish(Ino ino) {
    return parts_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, parts_.inodes().Edit(tx, ino));
      HOLDFAST_TRY(orphans_->Remove(tx, ino, slot));
      return parts_.inodes().Free(tx, ino);
    });
  }
  uint64_t SlotOf(Ino ino) { return (*parts_.inodes().Read(parts_.medium(), ino))->orphan_slot; }

  tests::MountedParts parts_;
  std::unique_ptr<Orphans> orphans_;
};

TEST_F(OrphansTest, ANewFilesystemHasNone) { EXPECT_TRUE(Remount().empty()); }

TEST_F(OrphansTest, WhatIsListedIsFoundByTheNextMount) {
  const auto a = MakeOrphan();
  const auto b = MakeOrphan();
  const auto c = MakeOrphan();
  ASSERT_TRUE(a && b && c);
  EXPECT_NE(SlotOf(*a), 0U);
  EXPECT_NE(SlotOf(*a), SlotOf(*b));
  EXPECT_THAT(Remount(), UnorderedElementsAre(a->value(), b->value(), c->value()));
  ASSERT_TRUE(Finish(*b));
  EXPECT_THAT(Remount(), UnorderedElementsAre(a->value(), c->value()));
}

TEST_F(OrphansTest, AddingTwiceAndRemovingTwiceIsOnce) {
  const Ino ino = *MakeOrphan();
  const uint64_t slot_before = SlotOf(ino);
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, parts_.inodes().Edit(tx, ino));
    return orphans_->Add(tx, ino, slot);
  }));
  EXPECT_EQ(SlotOf(ino), slot_before);
  EXPECT_THAT(Remount(), UnorderedElementsAre(ino.value()));
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * slot, parts_.inodes().Edit(tx, ino));
    HOLDFAST_TRY(orphans_->Remove(tx, ino, slot));
    EXPECT_EQ(slot->orphan_slot, 0U);
    return orphans_->Remove(tx, ino, slot);
  }));
  EXPECT_TRUE(Remount().empty());
}

TEST_F(OrphansTest, AnAbortListsNothing) {
  const auto failed = parts_.Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const auto made, parts_.inodes().Allocate(tx, Ino(kInoRoot)));
    HOLDFAST_TRY(orphans_->Add(tx, made.first, made.second));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_TRUE(Remount().empty());
}

TEST_F(OrphansTest, ASlotThatDisagreesWithTheListIsUnclean) {
  const Ino a = *MakeOrphan();
  const Ino b = *MakeOrphan();
  for (const uint64_t wrong : {SlotOf(b), uint64_t{300}, uint64_t{100000}, ~uint64_t{0}}) {
    const auto removed = parts_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, parts_.inodes().Edit(tx, a));
      slot->orphan_slot = wrong;
      return orphans_->Remove(tx, a, slot);
    });
    ASSERT_FALSE(removed) << wrong;
    EXPECT_EQ(removed.error().code, EUCLEAN) << wrong;
  }
}

TEST_F(OrphansTest, ThousandsAtATimeGrowTheFile) {
  std::set<uint64_t> expected;
  for (int i = 0; i < 1300; ++i) {
    const auto ino = MakeOrphan();
    ASSERT_TRUE(ino) << ino.error().Text();
    expected.insert(ino->value());
  }
  const auto listed = Remount();
  EXPECT_EQ(std::set<uint64_t>(listed.begin(), listed.end()), expected);
  EXPECT_EQ(listed.size(), expected.size());
  for (const uint64_t n : expected) ASSERT_TRUE(Finish(Ino(n)));
  EXPECT_TRUE(Remount().empty());
}

TEST_F(OrphansTest, AFullFilesystemCanStillListOrphans) {
  std::vector<Ino> files;
  for (int i = 0; i < 600; ++i) {
    files.push_back(*parts_.Run([&](Transaction& tx) -> Result<Ino> {
      HOLDFAST_ASSIGN(const auto made, parts_.inodes().Allocate(tx, Ino(kInoRoot)));
      made.second->mode = S_IFREG;
      return made.first;
    }));
  }
  ASSERT_TRUE(parts_.Run([&](Transaction& tx) {
    return parts_.allocator().AllocateAll(tx, parts_.allocator().Totals()->available, Pfn(0),
                                          AllocFor::kData);
  }));
  for (const Ino ino : files) {
    const auto listed = parts_.Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, parts_.inodes().Edit(tx, ino));
      return orphans_->Add(tx, ino, slot);
    });
    ASSERT_TRUE(listed) << listed.error().Text();
  }
  EXPECT_EQ(Remount().size(), files.size());
}

class OrphanThreads : public OrphansTest {
 protected:
  // Large enough that threads get blocks of their own.
  OrphanThreads() : OrphansTest(512 * kMiB) {}
};

TEST_F(OrphanThreads, AddAndRemoveAtTheSameTime) {
  std::vector<std::thread> threads;
  std::vector<std::vector<Ino>> left(4);
  for (size_t t = 0; t < left.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 400; ++i) {
        if (left[t].empty() || random() % 3 != 0) {
          const auto ino = MakeOrphan();
          ASSERT_TRUE(ino) << ino.error().Text();
          left[t].push_back(*ino);
        } else {
          std::swap(left[t][random() % left[t].size()], left[t].back());
          ASSERT_TRUE(Finish(left[t].back()));
          left[t].pop_back();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> expected;
  for (const auto& mine : left) {
    for (const Ino ino : mine) expected.insert(ino.value());
  }
  const auto listed = Remount();
  EXPECT_EQ(std::set<uint64_t>(listed.begin(), listed.end()), expected);
  EXPECT_EQ(listed.size(), expected.size());
}

}  // namespace
}  // namespace holdfast::fsmeta
