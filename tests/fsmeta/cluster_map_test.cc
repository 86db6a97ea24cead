// SPDX-License-Identifier: Apache-2.0
// Where inode clusters are: found in the extents, remembered, added in transactions.
#include "fsmeta/cluster_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class ClusterMapTest : public testing::Test {
 protected:
  ClusterMapTest() : parts_(16 * kMiB) { Open(); }
  void Open() { map_ = std::make_unique<ClusterMap>(parts_.medium(), parts_.extents()); }
  void Remount() {
    map_.reset();
    parts_.Remount();
    Open();
  }

  // Adds a cluster of `pieces` pieces that are not neighbours. `then` decides about the commit.
  template <typename F>
  Result<ClusterBlocks> Grow(uint64_t pieces, F&& then) {
    return parts_.Run([&](Transaction& tx) -> Result<ClusterBlocks> {
      ClusterBlocks blocks;
      HOLDFAST_TRY(tx.Lock({ResourceClass::kInodeFile}));
      for (uint64_t i = 0; i < kClusterBlocks;) {
        const BlockCount n(kClusterBlocks / pieces);
        HOLDFAST_ASSIGN(const BlockRun run,
                        parts_.allocator().Allocate(tx, n, Pfn(0), AllocFor::kMetadata, true));
        if (pieces > 1) {
          HOLDFAST_TRY(
              parts_.allocator().Allocate(tx, BlockCount(1), run.end(), AllocFor::kMetadata, true));
        }
        for (uint64_t j = 0; j < n.value(); ++j) blocks[i++] = run.start + BlockCount(j);
      }
      HOLDFAST_TRY(map_->Grow(tx, blocks));
      HOLDFAST_TRY(then(tx));
      return blocks;
    });
  }
  Result<ClusterBlocks> Grow(uint64_t pieces) {
    return Grow(pieces, [](Transaction&) -> Result<void> { return {}; });
  }
  ClusterBlocks PlacesOf(MetaReader& reader, uint64_t cluster) {
    ClusterBlocks blocks;
    for (uint64_t i = 0; i < kClusterBlocks; ++i) {
      const auto block = map_->BlockOf(reader, cluster, i);
      EXPECT_TRUE(block) << cluster << " " << i << ": " << block.error().Text();
      blocks[i] = block.value_or(Pfn(0));
    }
    return blocks;
  }
  // Overwrites the inode file's slot on the medium.
  template <typename F>
  void CorruptSlot(F&& change) {
    parts_.CorruptSlot(map_->SlotOfInodeFile(), std::forward<F>(change));
    Remount();
  }

  tests::MountedParts parts_;
  std::unique_ptr<ClusterMap> map_;
};

TEST_F(ClusterMapTest, TheFirstClusterIsWhereTheSuperblockSays) {
  const Pfn first(parts_.medium().superblock().inode_cluster0);
  const ClusterBlocks places = PlacesOf(parts_.medium(), 0);
  for (uint64_t i = 0; i < kClusterBlocks; ++i) EXPECT_EQ(places[i], first + BlockCount(i));
  EXPECT_EQ(*map_->End(parts_.medium()), 1U);
  EXPECT_EQ(map_->BlockOf(parts_.medium(), 1, 0).error().code, ESTALE);
  EXPECT_EQ(map_->BlockOf(parts_.medium(), ~uint64_t{0}, 0).error().code, ESTALE);
}

TEST_F(ClusterMapTest, NewClustersAreFoundAfterARemount) {
  std::vector<ClusterBlocks> added;
  for (const uint64_t pieces : {1, 16, 2, 1, 4}) {
    const auto blocks = Grow(pieces);
    ASSERT_TRUE(blocks) << blocks.error().Text();
    added.push_back(*blocks);
  }
  for (const bool remount : {false, true}) {
    if (remount) Remount();
    EXPECT_EQ(*map_->End(parts_.medium()), 6U);
    for (uint64_t i = added.size(); i > 0; --i) {
      EXPECT_EQ(PlacesOf(parts_.medium(), i), added[i - 1]) << i;
    }
  }
}

TEST_F(ClusterMapTest, GrowingAfterARemountLearnsWhatWasThere) {
  const auto first = Grow(4);
  Remount();
  const auto second = Grow(1);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(PlacesOf(parts_.medium(), 1), *first);
  EXPECT_EQ(PlacesOf(parts_.medium(), 2), *second);
}

TEST_F(ClusterMapTest, OnlyTheGrowingTransactionSeesItsClusterBeforeTheCommit) {
  const auto grown = Grow(1, [&](Transaction& tx) -> Result<void> {
    EXPECT_EQ(*map_->End(tx), 2U);
    EXPECT_TRUE(map_->BlockOf(tx, 1, 15));
    EXPECT_EQ(*map_->End(parts_.medium()), 1U);
    EXPECT_EQ(map_->BlockOf(parts_.medium(), 1, 15).error().code, ESTALE);
    return {};
  });
  ASSERT_TRUE(grown);
  EXPECT_EQ(*map_->End(parts_.medium()), 2U);
}

TEST_F(ClusterMapTest, AnAbortedGrowthIsForgotten) {
  for (const uint64_t pieces : {1, 16}) {
    const auto failed = Grow(pieces, [](Transaction&) -> Result<void> { return Fail(EXDEV); });
    EXPECT_EQ(failed.error().code, EXDEV);
    EXPECT_EQ(map_->BlockOf(parts_.medium(), 1, 0).error().code, ESTALE);
  }
  const auto grown = Grow(2);
  EXPECT_EQ(PlacesOf(parts_.medium(), 1), *grown);
  Remount();
  EXPECT_EQ(PlacesOf(parts_.medium(), 1), *grown);
}

TEST_F(ClusterMapTest, TwoClustersInOneTransaction) {
  const auto grown = Grow(1, [&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const BlockRun run, parts_.allocator().Allocate(tx, BlockCount(16), Pfn(0),
                                                                    AllocFor::kMetadata, true));
    ClusterBlocks blocks;
    for (uint64_t i = 0; i < kClusterBlocks; ++i) blocks[i] = run.start + BlockCount(i);
    HOLDFAST_TRY(map_->Grow(tx, blocks));
    EXPECT_EQ(*map_->End(tx), 3U);
    return {};
  });
  ASSERT_TRUE(grown) << grown.error().Text();
  EXPECT_EQ(*map_->End(parts_.medium()), 3U);
  EXPECT_NE(PlacesOf(parts_.medium(), 2), *grown);
}

TEST_F(ClusterMapTest, AnImpossibleSizeIsUnclean) {
  const uint64_t sizes[] = {0, 4096, 65536 + 1, uint64_t{1} << 40, ~uint64_t{0}};
  for (const uint64_t size : sizes) {
    CorruptSlot([size](InodeSlot& slot) { slot.size = size; });
    EXPECT_EQ(map_->End(parts_.medium()).error().code, EUCLEAN) << size;
    EXPECT_EQ(map_->BlockOf(parts_.medium(), 0, 0).error().code, EUCLEAN) << size;
  }
}

TEST_F(ClusterMapTest, AHoleInTheInodeFileIsUnclean) {
  CorruptSlot([](InodeSlot& slot) { slot.size = 3 * kClusterBlocks * kMetadataBlock; });
  EXPECT_EQ(map_->BlockOf(parts_.medium(), 1, 0).error().code, EUCLEAN);
  EXPECT_TRUE(map_->BlockOf(parts_.medium(), 0, 0));
  EXPECT_EQ(Grow(1).error().code, EUCLEAN);
  EXPECT_EQ(map_->BlockOf(parts_.medium(), 1, 0).error().code, EUCLEAN);
}

TEST_F(ClusterMapTest, ThreadsFindClustersWhileTheFileGrows) {
  std::vector<ClusterBlocks> added(1, PlacesOf(parts_.medium(), 0));
  for (int i = 0; i < 20; ++i) added.push_back(*Grow(i % 3 == 0 ? 4 : 1));
  Remount();
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!done) {
        for (uint64_t i = 0; i < added.size(); ++i) {
          ASSERT_EQ(*map_->BlockOf(parts_.medium(), i, 5), added[i][5]);
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Grow(1));
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace holdfast::fsmeta
