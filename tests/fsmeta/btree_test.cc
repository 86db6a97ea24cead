// SPDX-License-Identifier: Apache-2.0
// Tests of B+trees: against a model, their shape, their costs.
#include "fsmeta/btree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <random>
#include <vector>

#include "tests/fsmeta/tree_harness.h"

namespace holdfast::fsmeta {
namespace {

using Model = TreeHarness::Model;

#if defined(HOLDFAST_SANITIZE_ADDRESS_UNDEFINED) || defined(HOLDFAST_SANITIZE_THREAD)
constexpr int kManySteps = 150'000;
#else
constexpr int kManySteps = 1'000'000;
#endif

class BTreeTest : public testing::TestWithParam<TreeKind> {
 protected:
  TreeHarness harness_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Kinds, BTreeTest, testing::ValuesIn(kTreeKinds),
                         [](const auto& test) { return KindName(test.param); });

// One transaction of random changes, to tree and model; both keep them only if it commits.
class RandomChanges {
 public:
  RandomChanges(TreeHarness& harness, uint64_t seed) : harness_(harness), random_(seed) {}

  // `lean`: out of 100 steps on a key that exists, how many erase it.
  void Transact(int steps, uint64_t range, uint64_t lean) {
    Model next = model_;
    const bool abort = random_() % 8 == 0;
    const auto done = harness_.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
      for (int i = 0; i < steps; ++i) HOLDFAST_TRY(Step(tx, root, &next, range, lean));
      return abort ? Result<void>(Fail(ECANCELED)) : Result<void>();
    });
    ASSERT_EQ(done.has_value(), !abort) << done.error().Text();
    if (!abort) model_ = std::move(next);
  }
  const Model& model() const { return model_; }

 private:
  Result<void> Step(Transaction& tx, TreeRoot* root, Model* next, uint64_t range, uint64_t lean) {
    const BTree& tree = harness_.tree;
    const TreeRecord record{harness_.RandomKey(random_, range), harness_.RandomValue(random_)};
    const auto at = next->find(record.key);
    HOLDFAST_ASSIGN(const auto found, tree.Find(tx, *root, record.key));
    EXPECT_EQ(found.has_value(), at != next->end());
    if (at == next->end()) {
      EXPECT_EQ(tree.Update(tx, root, record).error().code, ENOENT);
      next->emplace(record.key, record.value);
      return tree.Insert(tx, root, record, harness_.space);
    }
    EXPECT_EQ(found->value, at->second);
    if (random_() % 100 < lean) {
      next->erase(at);
      return tree.Erase(tx, root, record.key, harness_.space);
    }
    EXPECT_EQ(tree.Insert(tx, root, record, harness_.space).error().code, EEXIST);
    at->second = record.value;
    return tree.Update(tx, root, record);
  }

  TreeHarness& harness_;
  std::mt19937_64 random_;
  Model model_;
};

TEST_P(BTreeTest, RandomTransactionsAgreeWithAModel) {
  RandomChanges changes(harness_, 11);
  for (int round = 0; round < 60; ++round) {
    // Grow for a while, then shrink.
    changes.Transact(400, 6000, round % 20 < 12 ? 20 : 95);
    if (round % 5 == 0) harness_.ExpectEquals(changes.model());
    harness_.CheckNodes();
  }
  harness_.ExpectEquals(changes.model());
}

TEST_P(BTreeTest, NeighboursOfAnyKeyAgreeWithAModel) {
  RandomChanges changes(harness_, 12);
  for (int round = 0; round < 10; ++round) changes.Transact(600, 9000, 30);
  const Model& model = changes.model();
  std::mt19937_64 random(13);
  for (int i = 0; i < 5000; ++i) {
    const TreeKey key = harness_.RandomKey(random, 9500);
    const auto above = model.lower_bound(key);
    const auto least = harness_.tree.AtLeast(harness_.parts.medium(), harness_.root, key);
    ASSERT_TRUE(least);
    ASSERT_EQ(least->has_value(), above != model.end());
    ASSERT_TRUE(!*least || (*least)->key == above->first);
    const auto after = model.upper_bound(key);
    const auto most = harness_.tree.AtMost(harness_.parts.medium(), harness_.root, key);
    ASSERT_TRUE(most);
    ASSERT_EQ(most->has_value(), after != model.begin());
    ASSERT_TRUE(!*most || (*most)->key == std::prev(after)->first);
  }
}

TEST_P(BTreeTest, AnEmptyTreeAnswers) {
  Medium& medium = harness_.parts.medium();
  EXPECT_EQ(*harness_.tree.Find(medium, harness_.root, TreeHarness::Key(1)), std::nullopt);
  EXPECT_EQ(*harness_.tree.AtMost(medium, harness_.root, TreeHarness::Key(1)), std::nullopt);
  EXPECT_EQ(*harness_.tree.AtLeast(medium, harness_.root, TreeHarness::Key(1)), std::nullopt);
  harness_.ExpectEquals({});
  EXPECT_EQ(harness_.Erase(TreeHarness::Key(1)).error().code, ENOENT);
}

TEST_P(BTreeTest, ReplaceMovesARecordWhereverItBelongs) {
  RandomChanges changes(harness_, 15);
  for (int round = 0; round < 6; ++round) changes.Transact(600, 9000, 30);
  Model model = changes.model();
  std::mt19937_64 random(16);
  for (int i = 0; i < 3000; ++i) {
    const TreeKey was = harness_.RandomKey(random, 9000);
    TreeRecord now{harness_.RandomKey(random, 9000), harness_.RandomValue(random)};
    // Mostly a small step, which often keeps the order.
    if (i % 4 != 0) now.key = was, now.key.words[0] += random() % 3;
    const bool exists = model.contains(was);
    const bool taken = now.key != was && model.contains(now.key);
    const auto done = harness_.Run([&](Transaction& tx, TreeRoot* root) {
      return harness_.tree.Replace(tx, root, was, now, harness_.space);
    });
    ASSERT_EQ(done ? 0 : done.error().code, !exists ? ENOENT : taken ? EEXIST : 0);
    if (!done) continue;
    model.erase(was);
    model[now.key] = now.value;
  }
  harness_.ExpectEquals(model);
  harness_.CheckNodes();
}

TEST_P(BTreeTest, ChangesStayWithinTheirNamedCosts) {
  std::mt19937_64 random(17);
  Model model;
  uint64_t most_insert = 0;
  for (int i = 0; i < 6000; ++i) {
    const TreeRecord record{harness_.RandomKey(random, 100'000), harness_.RandomValue(random)};
    const bool erase = i >= 3000;
    if (erase && model.empty()) break;
    auto victim = model.begin();
    if (i % 2 == 0 && model.upper_bound(record.key) != model.end()) {
      victim = model.upper_bound(record.key);
    }
    const TreeKey key = erase ? victim->first : record.key;
    if (!erase && model.contains(key)) continue;
    const uint32_t height = harness_.root.height;
    ASSERT_TRUE(harness_.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
      if (erase) {
        HOLDFAST_TRY(harness_.tree.Erase(tx, root, key, harness_.space));
        EXPECT_LE(tx.ChangedLines(), TreeCosts::EraseLines(height));
      } else {
        HOLDFAST_TRY(harness_.tree.Insert(tx, root, record, harness_.space));
        EXPECT_LE(tx.ChangedLines(), TreeCosts::InsertLines(height));
        most_insert = std::max(most_insert, tx.ChangedLines());
      }
      return {};
    }));
    if (erase) {
      model.erase(key);
    } else {
      model[key] = record.value;
    }
  }
  EXPECT_LT(most_insert, 20U);
}

TEST(BTree, AMillionRandomChangesAgreeWithAModel) {
  TreeHarness harness(TreeKind::kDirectory, uint64_t{64} << 20);
  RandomChanges changes(harness, 18);
  constexpr int kBatch = 5000;
  for (int done = 0; done < kManySteps; done += kBatch) {
    const bool shrink = done % (kManySteps / 2) > kManySteps / 4;
    changes.Transact(kBatch, 60'000, shrink ? 90 : 10);
    if (done % (kManySteps / 10) == 0) {
      harness.ExpectEquals(changes.model());
      harness.CheckNodes();
    }
  }
  harness.ExpectEquals(changes.model());
  EXPECT_GE(harness.CheckNodes(), 0.4);
}

TEST(BTree, ShiftKeysAgreesWithAModel) {
  TreeHarness harness(TreeKind::kExtents);
  std::mt19937_64 random(20);
  Model model;
  while (model.size() < 8000) model[TreeHarness::Key(random() % 1'000'000)] = {1};
  for (const auto& [key, value] : model) ASSERT_TRUE(harness.Insert({key, value}));
  for (int round = 0; round < 200; ++round) {
    const uint64_t from = random() % 1'200'000;
    const auto first = model.lower_bound(TreeHarness::Key(from));
    // Up by anything, or down into the hole before `from`.
    int64_t delta = static_cast<int64_t>(random() % 5000);
    if (round % 2 == 0) {
      const uint64_t hole =
          first == model.begin() ? from : from - std::prev(first)->first.words[0] - 1;
      delta = -static_cast<int64_t>(random() % 3 == 0 ? hole : random() % (hole + 1));
    }
    Model next(model.begin(), first);
    for (auto at = first; at != model.end(); ++at) {
      next[TreeHarness::Key(at->first.words[0] + static_cast<uint64_t>(delta))] = at->second;
    }
    model = std::move(next);
    ASSERT_TRUE(harness.Run([&](Transaction& tx, TreeRoot* root) {
      return harness.tree.ShiftKeys(tx, *root, from, delta);
    }));
    harness.CheckNodes();
    // What comes later must find its place by the shifted keys.
    const TreeKey extra = TreeHarness::Key(random() % 1'500'000);
    if (model.try_emplace(extra, std::array<uint64_t, 2>{2}).second) {
      ASSERT_TRUE(harness.Insert({extra, {2}}));
    }
  }
  harness.ExpectEquals(model);
}

}  // namespace
}  // namespace holdfast::fsmeta
