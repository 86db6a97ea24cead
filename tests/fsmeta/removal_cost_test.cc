// SPDX-License-Identifier: Apache-2.0
// Removing extents never changes more lines than was said before.
#include "fsmeta/removal_cost.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

TEST(RemovalCost, RandomRemovalsStayWithinIt) {
  SpaceRig rig;
  ASSERT_TRUE(rig.FillScattered(Ino(20), 2000));
  std::mt19937_64 random(61);
  for (int i = 0; i < 500; ++i) {
    const FileBlock from(random() % 4000);
    ASSERT_TRUE(rig.Change(Ino(20), [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      HOLDFAST_ASSIGN(const auto next, rig.map->Next(tx, *slot, from));
      if (!next) return {};
      const bool whole = from <= next->file_block;
      HOLDFAST_ASSIGN(const RemovalCost most, CostOfRemoval(tx, rig.tools(), *slot, *next, whole));
      std::vector<Extent> out;
      HOLDFAST_TRY(rig.map->Remove(tx, slot, from, next->end(), 1, &out));
      const uint64_t unmap = tx.ChangedLines();
      EXPECT_LE(unmap, most.unmap);
      HOLDFAST_TRY(ReleaseExtents(tx, rig.tools(), out, nullptr));
      EXPECT_LE(tx.ChangedLines() - unmap, most.release);
      return {};
    }));
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
