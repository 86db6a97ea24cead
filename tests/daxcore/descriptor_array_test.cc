// SPDX-License-Identifier: Apache-2.0
// Shapes of pages: which page a page number belongs to, and what excludes what.
#include "daxcore/descriptor_array.h"

#include <gtest/gtest.h>

namespace holdfast::daxcore {
namespace {

constexpr uint64_t kGroup = 512, kUnit = 512 * 512;

class DescriptorArrayTest : public testing::Test {
 protected:
  void Use(uint64_t pfn, PageOrder order) {
    const PageKey page{Pfn(pfn), order};
    array_->At(page).mapping = 1;
    array_->Use(page);
  }
  bool Conflicts(uint64_t pfn, PageOrder order) { return array_->Conflicts({Pfn(pfn), order}); }

  std::unique_ptr<DescriptorArray> array_ = *DescriptorArray::Create(BlockCount(2 * kUnit + 700));
};

TEST_F(DescriptorArrayTest, C2_StartsIdleEverywhere) {
  for (const uint64_t pfn : {uint64_t{0}, kGroup, kUnit, 2 * kUnit + 699}) {
    EXPECT_EQ(array_->Locate(Pfn(pfn)), (PageKey{Pfn(pfn), PageOrder::k4K}));
    EXPECT_FALSE(array_->At({Pfn(pfn), PageOrder::k4K}).in_use());
    EXPECT_FALSE(array_->UnitTouched(Pfn(pfn)));
    EXPECT_TRUE(array_->GroupIdle(Pfn(pfn)));
  }
}

TEST_F(DescriptorArrayTest, C8_OrdersExcludeEachOther) {
  Use(kGroup + 5, PageOrder::k4K);
  EXPECT_TRUE(Conflicts(kGroup, PageOrder::k2M));
  EXPECT_TRUE(Conflicts(0, PageOrder::k1G));
  EXPECT_FALSE(Conflicts(0, PageOrder::k2M));
  EXPECT_FALSE(Conflicts(kGroup + 6, PageOrder::k4K));
  Use(3 * kGroup, PageOrder::k2M);
  EXPECT_TRUE(Conflicts(3 * kGroup + 1, PageOrder::k4K));
  EXPECT_TRUE(Conflicts(0, PageOrder::k1G));
  EXPECT_FALSE(Conflicts(3 * kGroup, PageOrder::k2M)) << "itself";
  Use(kUnit, PageOrder::k1G);
  EXPECT_TRUE(Conflicts(kUnit + 7, PageOrder::k4K));
  EXPECT_TRUE(Conflicts(kUnit + kGroup, PageOrder::k2M));
}

TEST_F(DescriptorArrayTest, C4_FreeingTheLastSmallPageLiftsTheConflict) {
  Use(kGroup + 5, PageOrder::k4K);
  Use(kGroup + 6, PageOrder::k4K);
  array_->Free({Pfn(kGroup + 5), PageOrder::k4K});
  EXPECT_TRUE(Conflicts(0, PageOrder::k1G));
  array_->Free({Pfn(kGroup + 6), PageOrder::k4K});
  EXPECT_FALSE(Conflicts(kGroup, PageOrder::k2M));
  EXPECT_FALSE(Conflicts(0, PageOrder::k1G));
  EXPECT_TRUE(array_->UnitTouched(Pfn(0))) << "remembered for the check at unmount (C6)";
  EXPECT_TRUE(array_->GroupTouched(Pfn(kGroup)));
}

TEST_F(DescriptorArrayTest, C4_SplittingKeepsTheCountsOfUse) {
  Use(0, PageOrder::k1G);
  array_->Split({Pfn(0), PageOrder::k1G});
  EXPECT_EQ(array_->Locate(Pfn(kGroup + 3)), (PageKey{Pfn(kGroup), PageOrder::k2M}));
  array_->Split({Pfn(kGroup), PageOrder::k2M});
  EXPECT_EQ(array_->Locate(Pfn(kGroup + 3)), (PageKey{Pfn(kGroup + 3), PageOrder::k4K}));
  for (uint64_t i = 0; i < kGroup; ++i) array_->Free({Pfn(kGroup + i), PageOrder::k4K});
  for (uint64_t g = 0; g < kGroup; ++g) {
    if (g != 1) array_->Free({Pfn(g * kGroup), PageOrder::k2M});
  }
  EXPECT_FALSE(Conflicts(0, PageOrder::k1G));
}

}  // namespace
}  // namespace holdfast::daxcore
