// SPDX-License-Identifier: Apache-2.0
// Layouts as mmaps, in units of a block and of 2 MiB.
#include "client/map_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::client {
namespace {

using testing::ElementsAre;

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kUnit = 2 << 20;

holdfast_extent Written(uint64_t file, uint64_t region, uint64_t length) {
  return {file, region, length, HOLDFAST_WRITTEN, 0};
}
holdfast_extent Hole(uint64_t file, uint64_t length) { return {file, 0, length, HOLDFAST_HOLE, 0}; }

TEST(MapPlan, InUnitsOfABlockEverythingGoes) {
  const holdfast_extent extents[] = {Written(kBlock, 9 * kBlock, kBlock), Hole(2 * kBlock, kBlock),
                                     Written(3 * kBlock, 5 * kBlock, kBlock),
                                     Written(4 * kBlock, 6 * kBlock, 2 * kBlock)};
  const auto plan = PlanMaps(kBlock, kBlock, extents);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->residue, 0u);
  EXPECT_THAT(plan->pieces,
              ElementsAre(MapPiece{0, kBlock, 9 * kBlock, true}, MapPiece{kBlock, kBlock, 0, false},
                          MapPiece{2 * kBlock, 3 * kBlock, 5 * kBlock, true}));
}

TEST(MapPlan, AFewBlocksTakeTheUnitTheyAreIn) {
  const holdfast_extent extents[] = {Written(3 * kBlock, kUnit + 7 * kBlock, 2 * kBlock)};
  const auto plan = PlanMaps(kUnit, 3 * kBlock, extents);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->residue, 7 * kBlock);
  EXPECT_THAT(plan->pieces, ElementsAre(MapPiece{0, kUnit, kUnit, true}));
}

TEST(MapPlan, ARunOverABoundaryTakesBothUnits) {
  const holdfast_extent extents[] = {Written(0, 2 * kUnit - kBlock, kBlock),
                                     Written(kBlock, 2 * kUnit, kBlock)};
  const auto plan = PlanMaps(kUnit, 0, extents);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->residue, kUnit - kBlock);
  EXPECT_THAT(plan->pieces, ElementsAre(MapPiece{0, 2 * kUnit, kUnit, true}));
}

TEST(MapPlan, WholeUnitsMayBeAnywhere) {
  const holdfast_extent extents[] = {Written(0, 5 * kUnit, kUnit), Hole(kUnit, kUnit),
                                     Written(2 * kUnit, 3 * kUnit, kBlock)};
  const auto plan = PlanMaps(kUnit, 0, extents);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->pieces,
              ElementsAre(MapPiece{0, kUnit, 5 * kUnit, true}, MapPiece{kUnit, kUnit, 0, false},
                          MapPiece{2 * kUnit, kUnit, 3 * kUnit, true}));
}

TEST(MapPlan, AHoleTakesAddressesAsTheFileHasThem) {
  const holdfast_extent extents[] = {Hole(kUnit + kBlock, 2 * kBlock)};
  const auto plan = PlanMaps(kUnit, kUnit + kBlock, extents);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->residue, kBlock);
  EXPECT_THAT(plan->pieces, ElementsAre(MapPiece{0, kUnit, 0, false}));
}

TEST(MapPlan, NoUnitCanBeTwo) {
  const holdfast_extent elsewhere[] = {Written(0, kUnit, kBlock),
                                       Written(kBlock, 3 * kUnit + kBlock, kBlock)};
  EXPECT_FALSE(PlanMaps(kUnit, 0, elsewhere)) << "one unit of addresses, two of the region";
  const holdfast_extent shifted[] = {Written(0, kUnit, kUnit),
                                     Written(kUnit, 3 * kUnit + kBlock, kBlock)};
  EXPECT_FALSE(PlanMaps(kUnit, 0, shifted)) << "another place in the unit";
  const holdfast_extent hole[] = {Written(0, kUnit, kBlock), Hole(kBlock, kBlock)};
  EXPECT_FALSE(PlanMaps(kUnit, 0, hole)) << "a neighbour's block would show in the hole";
  const holdfast_extent hole_first[] = {Hole(0, kBlock), Written(kBlock, kUnit + kBlock, kBlock)};
  EXPECT_FALSE(PlanMaps(kUnit, 0, hole_first));
}

TEST(MapPlan, NothingIsAPlanOfNothing) {
  const auto plan = PlanMaps(kUnit, 0, {});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->pieces.empty());
}

}  // namespace
}  // namespace holdfast::client
