// SPDX-License-Identifier: Apache-2.0
// Tests of the reverse map: every owner of a block is found (F2).
#include "fsmeta/reverse_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kStart = 2 * 1024 + 16;

BlockRun Blocks(uint64_t start, uint64_t length) {
  return {Pfn(kStart + start), BlockCount(length)};
}
Owner MakeOwner(uint64_t start, uint64_t length, uint64_t ino, uint64_t file_block,
                uint32_t flags = 0) {
  return {Blocks(start, length), Ino(ino), FileBlock(file_block), flags};
}

class ReverseMapTest : public testing::Test {
 protected:
  Result<void> Insert(const Owner& owner) {
    return rig_.Run(
        [&](Transaction& tx) { return rig_.reverse_map->Insert(tx, owner, AllocFor::kMetadata); });
  }
  Result<void> Erase(const Owner& owner) {
    return rig_.Run(
        [&](Transaction& tx) { return rig_.reverse_map->Erase(tx, owner, AllocFor::kRemoval); });
  }
  Result<void> Update(const Owner& owner) {
    return rig_.Run([&](Transaction& tx) { return rig_.reverse_map->Update(tx, owner); });
  }
  Result<void> Replace(const Owner& was, const Owner& now) {
    return rig_.Run([&](Transaction& tx) {
      return rig_.reverse_map->Replace(tx, was, now, AllocFor::kMetadata);
    });
  }
  std::vector<Owner> Owners(BlockRun run) {
    const auto owners = rig_.reverse_map->Owners(rig_.parts.medium(), run);
    EXPECT_TRUE(owners) << owners.error().Text();
    return *owners;
  }

  SpaceRig rig_;
};

TEST_F(ReverseMapTest, F2EveryOwnerOfASharedBlockIsFound) {
  const Owner first = MakeOwner(0, 100, 20, 5);
  const Owner clone = MakeOwner(0, 100, 21, 5);
  const Owner part = MakeOwner(40, 10, 22, 0, kExtentUnwritten);
  const Owner itself = MakeOwner(45, 1, 20, 900);
  for (const Owner& owner : {first, clone, part, itself}) ASSERT_TRUE(Insert(owner));
  EXPECT_THAT(Owners(Blocks(45, 1)), ElementsAre(first, clone, part, itself));
  EXPECT_THAT(Owners(Blocks(46, 1)), ElementsAre(first, clone, part));
  EXPECT_THAT(Owners(Blocks(10, 1)), ElementsAre(first, clone));
  EXPECT_THAT(Owners(Blocks(100, 1)), IsEmpty());
}

TEST_F(ReverseMapTest, F4BoundsAreExact) {
  const Owner owner = MakeOwner(10, 10, 20, 0);
  ASSERT_TRUE(Insert(owner));
  EXPECT_THAT(Owners(Blocks(0, 10)), IsEmpty());
  EXPECT_THAT(Owners(Blocks(0, 11)), ElementsAre(owner));
  EXPECT_THAT(Owners(Blocks(19, 1)), ElementsAre(owner));
  EXPECT_THAT(Owners(Blocks(20, 5)), IsEmpty());
}

TEST_F(ReverseMapTest, UpdateAndReplaceKeepTheOthers) {
  const Owner other = MakeOwner(0, 10, 21, 0);
  ASSERT_TRUE(Insert(other));
  ASSERT_TRUE(Insert(MakeOwner(0, 10, 20, 7)));
  const Owner longer = MakeOwner(0, 30, 20, 7, kExtentUnwritten);
  ASSERT_TRUE(Update(longer));
  EXPECT_THAT(Owners(Blocks(0, 50)), ElementsAre(longer, other));
  const Owner tail = MakeOwner(5, 25, 20, 12, kExtentUnwritten);
  ASSERT_TRUE(Replace(longer, tail));
  EXPECT_THAT(Owners(Blocks(0, 50)), ElementsAre(other, tail));
  ASSERT_TRUE(Erase(tail));
  EXPECT_THAT(Owners(Blocks(0, 50)), ElementsAre(other));
}

TEST_F(ReverseMapTest, ARecordThatIsNotAsTheExtentSaysIsCorruption) {
  const Owner owner = MakeOwner(10, 10, 20, 0);
  ASSERT_TRUE(Insert(owner));
  EXPECT_EQ(Insert(owner).error().code, EUCLEAN);
  EXPECT_EQ(Erase(MakeOwner(10, 9, 20, 0)).error().code, EUCLEAN);
  EXPECT_EQ(Erase(MakeOwner(10, 10, 20, 0, kExtentUnwritten)).error().code, EUCLEAN);
  EXPECT_EQ(Erase(MakeOwner(10, 10, 21, 0)).error().code, EUCLEAN);
  EXPECT_EQ(Update(MakeOwner(10, 10, 20, 1)).error().code, EUCLEAN);
  EXPECT_EQ(Replace(MakeOwner(11, 10, 20, 0), owner).error().code, EUCLEAN);
  EXPECT_THAT(Owners(Blocks(0, 50)), ElementsAre(owner));
}

TEST_F(ReverseMapTest, WhatIsNoRunIsCorruption) {
  for (const BlockRun run : {Blocks(0, 0), Blocks(0, 2000), BlockRun{Pfn(0), BlockCount(1)},
                             BlockRun{Pfn(uint64_t{1} << 50), BlockCount(1)}}) {
    const Owner owner{run, Ino(20), FileBlock(0), 0};
    EXPECT_EQ(Insert(owner).error().code, EUCLEAN);
    EXPECT_EQ(Erase(owner).error().code, EUCLEAN);
    EXPECT_EQ(Update(owner).error().code, EUCLEAN);
  }
  const BlockRun nowhere{Pfn(uint64_t{1} << 50), BlockCount(1)};
  EXPECT_EQ(rig_.reverse_map->Owners(rig_.parts.medium(), nowhere).error().code, EUCLEAN);
}

TEST_F(ReverseMapTest, F2RandomOwnersAgreeWithAModel) {
  std::mt19937_64 random(41);
  std::set<Owner> model;
  const auto random_owner = [&] {
    return MakeOwner(random() % 800, 1 + random() % 100, 20 + random() % 10, random() % 50);
  };
  for (int round = 0; round < 60; ++round) {
    std::set<Owner> next = model;
    ASSERT_TRUE(rig_.Run([&](Transaction& tx) -> Result<void> {
      for (int step = 0; step < 30; ++step) {
        const Owner owner = random_owner();
        const auto same = std::ranges::find_if(next, [&](const Owner& other) {
          return other.run.start == owner.run.start && other.ino == owner.ino &&
                 other.file_block == owner.file_block;
        });
        if (same != next.end()) continue;
        if (random() % 3 == 0 && !next.empty()) {
          const Owner victim =
              *std::next(next.begin(), static_cast<int64_t>(random() % next.size()));
          HOLDFAST_TRY(rig_.reverse_map->Erase(tx, victim, AllocFor::kRemoval));
          next.erase(victim);
        }
        HOLDFAST_TRY(rig_.reverse_map->Insert(tx, owner, AllocFor::kMetadata));
        next.insert(owner);
      }
      return {};
    }));
    model = std::move(next);
    const BlockRun run = Blocks(random() % 800, 1 + random() % 100);
    std::vector<Owner> expected;
    for (const Owner& owner : model) {
      if (owner.run.Overlaps(run)) expected.push_back(owner);
    }
    std::vector<Owner> found = Owners(run);
    std::ranges::sort(found);
    ASSERT_EQ(found, expected);
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
