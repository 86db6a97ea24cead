// SPDX-License-Identifier: Apache-2.0
// Tests of stepping through a B+tree, also through one that is corrupt.
#include "fsmeta/btree_cursor.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

#include "tests/fsmeta/tree_harness.h"
#include "tests/support/quiet_log.h"

namespace holdfast::fsmeta {
namespace {

TreeKey Key(uint64_t word) { return TreeHarness::Key(word); }

// A tree of three levels: keys 10, 20, 30, ...
class BTreeCursorTest : public testing::Test {
 protected:
  static constexpr TreeKind kKind = TreeKind::kReverseMap;
  static constexpr uint64_t kRecords = 30'000;

  BTreeCursorTest() {
    std::vector<uint64_t> words(kRecords);
    for (uint64_t i = 0; i < kRecords; ++i) words[i] = (i + 1) * 10;
    harness_.InsertAll(words);
    EXPECT_EQ(harness_.root.height, 3U);
  }

  TreeCursor Cursor() { return {harness_.tree, harness_.parts.medium(), harness_.root}; }
  const TreeNode& NodeAt(Pfn node) {
    return *reinterpret_cast<const TreeNode*>(harness_.parts.region().At(node));
  }
  // Path from the root to the leaf of `word`.
  std::vector<Pfn> PathTo(uint64_t word) {
    TreeCursor cursor = Cursor();
    EXPECT_TRUE(*cursor.SeekAtMost(Key(word)));
    return {cursor.step(2).node, cursor.step(1).node, cursor.step(0).node};
  }

  // Changes a node on the medium behind the tree's back, with a good checksum.
  void Damage(Pfn at, const std::function<void(TreeNode&)>& change) {
    TreeNode node = NodeAt(at);
    change(node);
    const ObjectId id{ObjectType::kTreeNode, ByteOffset(at), kMetadataBlock,
                      node.node.header.owner};
    SealObject(&node, id, harness_.parts.medium().uuid(), 1);
    Region& region = harness_.parts.region();
    region.persist().Store(region.Target(ByteOffset(at)), &node, sizeof(node));
    harness_.parts.Remount();
  }

  // Every way of using the tree meets EUCLEAN or an answer, and comes to an end.
  void ExpectCorrupt() {
    uint64_t steps = 0;
    TreeKey last;
    const auto walked = harness_.tree.ForEach(harness_.parts.medium(), harness_.root, TreeKey{},
                                              [&](const TreeRecord& record) {
                                                EXPECT_TRUE(steps == 0 || last < record.key);
                                                last = record.key;
                                                return ++steps < 10 * kRecords;
                                              });
    EXPECT_EQ(walked ? 0 : walked.error().code, EUCLEAN) << "after " << steps << " records";
    const auto nodes =
        harness_.tree.ForEachNode(harness_.parts.medium(), harness_.root,
                                  [](Pfn, const TreeNode&) { return Result<void>(); });
    EXPECT_EQ(nodes ? 0 : nodes.error().code, EUCLEAN);
    for (uint64_t word = 5; word < kRecords * 10; word += 997) UseAt(word);
  }

  void UseAt(uint64_t word) {
    const auto run = [&](auto change) {
      const auto done = harness_.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
        HOLDFAST_TRY(change(tx, root));
        return Fail(ECANCELED);
      });
      const int code = done.error().code;
      EXPECT_TRUE(code == EUCLEAN || code == ECANCELED || code == ENOENT || code == EEXIST)
          << done.error().Text();
    };
    TreeCursor cursor = Cursor();
    for (auto more = cursor.SeekAtMost(Key(word)); more && *more; more = cursor.Previous()) {
    }
    run([&](Transaction& tx, TreeRoot* root) {
      return harness_.tree.Insert(tx, root, {Key(word), {}}, harness_.space);
    });
    run([&](Transaction& tx, TreeRoot* root) {
      return harness_.tree.Erase(tx, root, Key(word / 10 * 10), harness_.space);
    });
    run([&](Transaction& tx, TreeRoot* root) {
      return harness_.tree.Replace(tx, root, Key(word / 10 * 10), {Key(word), {}}, harness_.space);
    });
  }

  tests::QuietLog quiet_;
  TreeHarness harness_{kKind};
};

TEST_F(BTreeCursorTest, StepsForthAndBackOverTheWholeTree) {
  TreeCursor cursor = Cursor();
  ASSERT_TRUE(*cursor.SeekAtLeast(Key(0)));
  for (uint64_t i = 1; i <= kRecords; ++i) {
    ASSERT_EQ(cursor.record().key, Key(i * 10));
    ASSERT_EQ(*cursor.Next(), i < kRecords);
  }
  ASSERT_TRUE(*cursor.SeekAtMost(Key(~uint64_t{0})));
  for (uint64_t i = kRecords; i > 0; --i) {
    ASSERT_EQ(cursor.record().key, Key(i * 10));
    ASSERT_EQ(*cursor.Previous(), i > 1);
  }
}

TEST_F(BTreeCursorTest, SeeksBetweenAndBeyondRecords) {
  TreeCursor cursor = Cursor();
  for (uint64_t i = 1; i < kRecords; ++i) {
    ASSERT_TRUE(*cursor.SeekAtMost(Key(i * 10 + 5)));
    ASSERT_EQ(cursor.record().key, Key(i * 10));
    ASSERT_TRUE(*cursor.SeekAtLeast(Key(i * 10 + 5)));
    ASSERT_EQ(cursor.record().key, Key(i * 10 + 10));
    ASSERT_TRUE(*cursor.SeekExact(Key(i * 10)));
    ASSERT_FALSE(*cursor.SeekExact(Key(i * 10 + 5)));
  }
  EXPECT_FALSE(*cursor.SeekAtMost(Key(9)));
  EXPECT_FALSE(*cursor.SeekAtLeast(Key(kRecords * 10 + 1)));
}

TEST_F(BTreeCursorTest, SeesTheChangesOfItsTransaction) {
  ASSERT_TRUE(harness_.Run([&](Transaction& tx, TreeRoot* root) -> Result<void> {
    HOLDFAST_TRY(harness_.tree.Insert(tx, root, {Key(15), {}}, harness_.space));
    TreeCursor cursor(harness_.tree, tx, *root);
    EXPECT_TRUE(*cursor.SeekExact(Key(15)));
    EXPECT_TRUE(*cursor.Next());
    EXPECT_EQ(cursor.record().key, Key(20));
    EXPECT_FALSE(*Cursor().SeekExact(Key(15)));
    return {};
  }));
}

TEST_F(BTreeCursorTest, AnUnsoundRootIsCorruption) {
  const TreeRoot sound = harness_.root;
  for (const TreeRoot root :
       {TreeRoot{sound.node, 0, sound.kind}, TreeRoot{0, sound.height, sound.kind},
        TreeRoot{sound.node, sound.height, sound.kind + 1},
        TreeRoot{sound.node, sound.height - 1, sound.kind},
        TreeRoot{sound.node, sound.height + 1, sound.kind},
        TreeRoot{sound.node, kMaxTreeHeight + 1, sound.kind},
        TreeRoot{sound.node + 100'000'000, sound.height, sound.kind},
        TreeRoot{~uint64_t{0}, sound.height, sound.kind}}) {
    harness_.root = root;
    ExpectCorrupt();
  }
}

TEST_F(BTreeCursorTest, AnotherOwnersNodeIsCorruption) {
  harness_.tree = BTree(kKind, TreeHarness::kOwner + 1);
  ExpectCorrupt();
}

TEST_F(BTreeCursorTest, EachDamagedHeaderFieldIsCorruption) {
  for (const Pfn at : PathTo(170'000)) {
    const TreeNode sound = NodeAt(at);
    const auto expect_corrupt = [&](const std::function<void(TreeNode&)>& change) {
      Damage(at, change);
      ExpectCorrupt();
      Damage(at, [&](TreeNode& node) { node = sound; });
    };
    expect_corrupt([](TreeNode& node) { ++node.node.level; });
    expect_corrupt([](TreeNode& node) { node.node.kind = 2; });
    expect_corrupt([](TreeNode& node) { node.node.count = 0; });
    expect_corrupt([](TreeNode& node) { node.node.count = 0xffff; });
    expect_corrupt([](TreeNode& node) { node.node.capacity = 0xffff; });
    expect_corrupt([](TreeNode& node) { node.body[0] = node.body[1]; });
    expect_corrupt([](TreeNode& node) { std::swap(node.body[0], node.body[1]); });
  }
}

TEST_F(BTreeCursorTest, AChildThatIsNoNodeOfTheTreeIsCorruption) {
  const std::vector<Pfn> path = PathTo(170'000);
  const std::vector<uint64_t> wrong = {
      0, 1, path[0].value(), path[1].value(), path[2].value(), ~uint64_t{0}, uint64_t{1} << 40};
  for (size_t level = 0; level < 2; ++level) {
    const TreeNode sound = NodeAt(path[level]);
    for (const uint64_t child : wrong) {
      Damage(path[level], [&](TreeNode& node) {
        NodeEditor editor(&node, kKind, 1);
        // The first and the last child: whatever block it was, that one is now there twice or lost.
        for (const uint32_t i : {0U, editor.count() - 1}) {
          TreeRecord record = editor.At(i);
          record.value[0] = child;
          editor.Replace(i, record);
        }
      });
      ExpectCorrupt();
      Damage(path[level], [&](TreeNode& node) { node = sound; });
    }
  }
}

// Two entries for one child: a tree whose paths multiply with each level.
TEST_F(BTreeCursorTest, SharedChildrenDoNotHangAReader) {
  const std::vector<Pfn> path = PathTo(170'000);
  for (const size_t level : {1, 0}) {
    Damage(path[level], [&](TreeNode& node) {
      NodeEditor editor(&node, kKind, 1);
      for (uint32_t i = 0; i < editor.count(); ++i) {
        TreeRecord record = editor.At(i);
        record.value[0] = path[level + 1].value();
        editor.Replace(i, record);
      }
    });
  }
  ExpectCorrupt();
}

TEST_F(BTreeCursorTest, LeavesThatOverlapAreCorruption) {
  Damage(PathTo(170'000)[2], [](TreeNode& node) {
    NodeEditor editor(&node, kKind, 0);
    editor.SetKey(editor.count() - 1, Key(kRecords * 9));
  });
  ExpectCorrupt();
}

// Whatever a node contains: an answer or EUCLEAN, in a bounded number of steps, and no access that
// a sanitizer objects to.
TEST_F(BTreeCursorTest, RandomDamageIsAnErrorAtWorst) {
  std::mt19937_64 random(71);
  for (int round = 0; round < 150; ++round) {
    const std::vector<Pfn> path = PathTo(10 + random() % (kRecords * 10));
    const Pfn at = path[random() % path.size()];
    const TreeNode sound = NodeAt(at);
    Damage(at, [&](TreeNode& node) {
      auto* bytes = reinterpret_cast<uint8_t*>(&node);
      for (uint64_t i = 1 + random() % 4; i > 0; --i) {
        const size_t where = sizeof(ObjectHeader) + random() % (kMetadataBlock - 64);
        bytes[random() % 2 == 0 ? where : 64 + where % 200] = static_cast<uint8_t>(random());
      }
    });
    uint64_t steps = 0;
    const auto count = [&](const TreeRecord&) { return ++steps <= kRecords; };
    const auto walked = harness_.tree.ForEach(harness_.parts.medium(), harness_.root, {}, count);
    EXPECT_TRUE(walked || walked.error().code == EUCLEAN);
    EXPECT_LE(steps, kRecords);
    for (int i = 0; i < 20; ++i) UseAt(random() % (kRecords * 10));
    Damage(at, [&](TreeNode& node) { node = sound; });
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
