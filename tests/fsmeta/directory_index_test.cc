// SPDX-License-Identifier: Apache-2.0
// The index by itself: names of one hash, positions in key order, disagreement noticed.
#include "fsmeta/directory_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;
using tests::ErrorOf;

class DirectoryIndexTest : public testing::Test {
 protected:
  DirectoryIndexTest() { slot_.header.owner = 100; }

  template <typename F>
  int Run(F body) {
    return ErrorOf(parts_.runner().Run([&](Transaction& tx) -> Result<void> {
      return body(tx, DirectoryIndex(allocator_, slot_));
    }));
  }
  int Insert(uint64_t hash, EntryPosition position) {
    return Run([&](Transaction& tx, const DirectoryIndex& index) {
      return index.Insert(tx, &slot_, hash, position, Ino(9));
    });
  }
  std::vector<EntryPosition> Positions(uint64_t hash) {
    std::vector<EntryPosition> positions;
    EXPECT_TRUE(DirectoryIndex(allocator_, slot_)
                    .ForEach(parts_.medium(), slot_, hash, [&](EntryPosition at) -> Result<bool> {
                      positions.push_back(at);
                      return true;
                    }));
    return positions;
  }

  tests::FormattedMedium parts_;
  Allocator allocator_{parts_.medium()};
  InodeSlot slot_{};
};

TEST_F(DirectoryIndexTest, NamesOfOneHashAreAllFound) {
  ASSERT_EQ(Insert(7, 4096 + 64), 0);
  ASSERT_EQ(Insert(7, 64), 0);
  ASSERT_EQ(Insert(8, 96), 0);
  ASSERT_EQ(Insert(6, 128), 0);
  EXPECT_THAT(Positions(7), ElementsAre(64, 4096 + 64));
  EXPECT_THAT(Positions(8), ElementsAre(96));
  EXPECT_THAT(Positions(9), ElementsAre());
}

TEST_F(DirectoryIndexTest, AFailureOfTheVisitorComesThrough) {
  ASSERT_EQ(Insert(7, 64), 0);
  ASSERT_EQ(Insert(7, 96), 0);
  int calls = 0;
  const auto failed = DirectoryIndex(allocator_, slot_)
                          .ForEach(parts_.medium(), slot_, 7, [&](EntryPosition) -> Result<bool> {
                            ++calls;
                            return Fail(EIO);
                          });
  EXPECT_EQ(ErrorOf(failed), EIO);
  EXPECT_EQ(calls, 1);
}

TEST_F(DirectoryIndexTest, DisagreementIsEuclean) {
  ASSERT_EQ(Insert(7, 64), 0);
  EXPECT_EQ(Insert(7, 64), EUCLEAN);
  EXPECT_EQ(Run([&](Transaction& tx, const DirectoryIndex& index) {
              return index.Erase(tx, &slot_, 7, 72);
            }),
            EUCLEAN);
  EXPECT_EQ(Run([&](Transaction& tx, const DirectoryIndex& index) {
              return index.Update(tx, &slot_, 8, 64, Ino(1));
            }),
            EUCLEAN);
}

TEST_F(DirectoryIndexTest, DroppingFreesEveryNode) {
  const uint64_t free = allocator_.Totals()->free.value();
  for (uint64_t i = 0; i < 2000; ++i) ASSERT_EQ(Insert(i * 0x9e3779b97f4a7c15, 64 + i * 8), 0);
  EXPECT_LT(allocator_.Totals()->free.value(), free);
  ASSERT_EQ(
      Run([&](Transaction& tx, const DirectoryIndex& index) { return index.Drop(tx, &slot_); }), 0);
  EXPECT_FALSE(DirectoryIndex::Exists(slot_));
  EXPECT_EQ(allocator_.Totals()->free.value(), free);
}

TEST(HashNameTest, DependsOnNameAndSeed) {
  EXPECT_EQ(HashName("a", 1), HashName("a", 1));
  EXPECT_NE(HashName("a", 1), HashName("b", 1));
  EXPECT_NE(HashName("a", 1), HashName("a", 2));
}

}  // namespace
}  // namespace holdfast::fsmeta
