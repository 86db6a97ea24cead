// SPDX-License-Identifier: Apache-2.0
// Tests of inserts into B+trees: how full nodes become, and running out of space.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/fsmeta/tree_harness.h"

namespace holdfast::fsmeta {
namespace {

using Model = TreeHarness::Model;

class BTreeInsertTest : public testing::TestWithParam<TreeKind> {
 protected:
  TreeHarness harness_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Kinds, BTreeInsertTest, testing::ValuesIn(kTreeKinds),
                         [](const auto& test) { return KindName(test.param); });

TEST_P(BTreeInsertTest, NoSpaceForASplitChangesNothing) {
  std::vector<uint64_t> words(10'000);
  std::iota(words.begin(), words.end(), 1);
  harness_.InsertAll(words);
  harness_.space.set_limit(harness_.space.used().size());
  const TreeRoot root = harness_.root;
  Result<void> done;
  for (uint64_t word = 20'000; done; ++word) {
    done = harness_.Insert(TreeRecord{TreeHarness::Key(word), {}});
    if (done) words.push_back(word);
    ASSERT_LT(word, 30'000U);
  }
  EXPECT_EQ(done.error().code, ENOSPC);
  EXPECT_EQ(harness_.root.node, root.node);
  harness_.CheckNodes();
  Model model;
  for (const uint64_t word : words) model[TreeHarness::Key(word)] = {word < 20'000 ? word + 1 : 0};
  harness_.ExpectEquals(model);
}

// How full leaves are after inserts in the orders that workloads have.
double FillAfter(const std::vector<uint64_t>& words) {
  TreeHarness harness(TreeKind::kExtents);
  harness.InsertAll(words);
  Model model;
  for (const uint64_t word : words) model[TreeHarness::Key(word)] = {word + 1};
  harness.ExpectEquals(model);
  return harness.CheckNodes();
}

TEST(BTreeInsert, AscendingInsertsFillNodes) {
  std::vector<uint64_t> words(30'000);
  std::iota(words.begin(), words.end(), 1);
  EXPECT_GT(FillAfter(words), 0.95);
}

TEST(BTreeInsert, DescendingInsertsFillNodes) {
  std::vector<uint64_t> words(30'000);
  std::iota(words.rbegin(), words.rend(), 1);
  EXPECT_GT(FillAfter(words), 0.85);
}

TEST(BTreeInsert, TwoAscendingStreamsFillNodes) {
  std::vector<uint64_t> words;
  for (uint64_t i = 0; i < 15'000; ++i) {
    words.push_back(i);
    words.push_back(1'000'000 + i);
  }
  EXPECT_GT(FillAfter(words), 0.9);
}

TEST(BTreeInsert, DescendingBehindAFullLeafMakesNoNodesOfOneRecord) {
  std::vector<uint64_t> words(60'000);
  std::iota(words.begin(), words.end(), 1);
  for (uint64_t i = 0; i < 20'000; ++i) words.push_back(1'000'000 - i);
  EXPECT_GT(FillAfter(words), 0.8);
}

TEST(BTreeInsert, RunsInTheMiddleFillNodes) {
  std::mt19937_64 random(21);
  for (const bool ascending : {true, false}) {
    std::vector<uint64_t> words;
    for (uint64_t i = 0; i < 1000; ++i) words.push_back(i * 1'000'000);
    for (uint64_t run = 0; run < 20; ++run) {
      const uint64_t at = (run * 50 + random() % 50) * 1'000'000 + 1000;
      for (uint64_t i = 1; i < 1000; ++i) words.push_back(ascending ? at + i : at - i);
    }
    EXPECT_GT(FillAfter(words), 0.8) << (ascending ? "ascending" : "descending");
  }
}

TEST(BTreeInsert, RandomInsertsFillNodesByTwoThirds) {
  std::vector<uint64_t> words(40'000);
  std::iota(words.begin(), words.end(), 1);
  std::mt19937_64 random(19);
  std::ranges::shuffle(words, random);
  EXPECT_GT(FillAfter(words), 0.6);
}

TEST(BTreeInsert, ASequentialInsertWithASplitIsCheap) {
  TreeHarness harness(TreeKind::kExtents);
  for (uint64_t word = 1; word < 2000; ++word) {
    ASSERT_TRUE(harness.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
      HOLDFAST_TRY(
          harness.tree.Insert(tx, root, TreeRecord{TreeHarness::Key(word), {}}, harness.space));
      EXPECT_LE(tx.ChangedLines(), 6U) << "at " << word;
      return {};
    }));
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
