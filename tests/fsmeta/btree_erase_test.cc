// SPDX-License-Identifier: Apache-2.0
// Tests of erasing from B+trees: nodes merge, trees shrink, nothing leaks.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/fsmeta/tree_harness.h"

namespace holdfast::fsmeta {
namespace {

class BTreeEraseTest : public testing::TestWithParam<TreeKind> {
 protected:
  TreeHarness harness_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Kinds, BTreeEraseTest, testing::ValuesIn(kTreeKinds),
                         [](const auto& test) { return KindName(test.param); });

TEST_P(BTreeEraseTest, ErasingEverythingFreesEveryNode) {
  std::vector<uint64_t> words(20'000);
  std::iota(words.begin(), words.end(), 1);
  std::mt19937_64 random(14);
  std::ranges::shuffle(words, random);
  harness_.InsertAll(words);
  ASSERT_GE(harness_.root.height, 2U);
  std::ranges::shuffle(words, random);
  for (size_t at = 0; at < words.size(); at += 1000) {
    ASSERT_TRUE(harness_.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
      for (size_t i = at; i < at + 1000; ++i) {
        HOLDFAST_TRY(harness_.tree.Erase(tx, root, TreeHarness::Key(words[i]), harness_.space));
      }
      return {};
    }));
    EXPECT_GE(harness_.CheckNodes(), 0.25);
  }
  EXPECT_EQ(harness_.root.node, 0U);
  EXPECT_EQ(harness_.root.height, 0U);
  EXPECT_TRUE(harness_.space.used().empty());
}

TEST_P(BTreeEraseTest, FreeAllFreesEveryNode) {
  std::vector<uint64_t> words(5000);
  std::iota(words.begin(), words.end(), 1);
  harness_.InsertAll(words);
  ASSERT_TRUE(harness_.Run([&](Transaction& tx, TreeRoot* root) {
    return harness_.tree.FreeAll(tx, root, harness_.space);
  }));
  EXPECT_EQ(harness_.root.height, 0U);
  EXPECT_TRUE(harness_.space.used().empty());
}

}  // namespace
}  // namespace holdfast::fsmeta
