// SPDX-License-Identifier: Apache-2.0
// Inode slots: allocated, freed and found again; exhaustion, garbage numbers, many of them.
#include "fsmeta/inode_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "fsmeta/inode_cluster.h"
#include "tests/support/mounted_parts.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr Ino kRoot{kInoRoot};

class Inodes {
 public:
  explicit Inodes(uint64_t bytes, const FormatOptions& options = {}) : parts_(bytes, options) {}

  InodeTable& table() { return parts_.inodes(); }
  tests::MountedParts& parts() { return parts_; }
  Medium& medium() { return parts_.medium(); }

  // A file with its own number as its size.
  Result<Ino> Make(Ino parent = kRoot) {
    return parts_.Run([&](Transaction& tx) { return MakeIn(tx, parent); });
  }
  Result<Ino> MakeIn(Transaction& tx, Ino parent) {
    HOLDFAST_ASSIGN(const auto made, table().Allocate(tx, parent));
    made.second->mode = S_IFREG | 0644;
    made.second->nlink = 1;
    made.second->size = made.first.value();
    return made.first;
  }
  Result<void> Free(Ino ino) {
    return parts_.Run([&](Transaction& tx) { return table().Free(tx, ino); });
  }
  // errno of a look at the slot, 0 if it is alive.
  int Look(Ino ino) {
    const auto slot = table().Read(medium(), ino);
    if (!slot) return slot.error().code;
    EXPECT_EQ((*slot)->size, ino.value() < kInoFirstFree ? (*slot)->size : ino.value());
    return 0;
  }
  uint64_t clusters() { return *table().End(medium()) / kInodesPerCluster; }

  // Free slots by the heads, each checked against its slots.
  uint64_t FreeOnMedium() {
    uint64_t free = 0;
    for (uint64_t first = 0; first < *table().End(medium()); first += kInodesPerCluster) {
      const auto any_slot = table().Locate(medium(), Ino(first + 1));
      EXPECT_TRUE(any_slot) << any_slot.error().Text();
      std::array<uint64_t, 2> used = {0, ~uint64_t{0} << (kInodesPerCluster % 64)};
      for (uint64_t i = 0; i < kInodesPerCluster; ++i) {
        const bool reserved = first + i < kInoFirstFree;
        if (reserved || Look(Ino(first + i)) == 0) used[i / 64] |= uint64_t{1} << (i % 64);
      }
      // In these tests the head is the block before the first slot.
      const Pfn head(any_slot->offset / kBlockSize - 1);
      const auto loaded =
          medium().Block<InodeCluster>(head, ObjectType::kInodeCluster, kInoInodeFile);
      EXPECT_TRUE(loaded) << loaded.error().Text();
      EXPECT_EQ((*loaded)->used[0], used[0]);
      EXPECT_EQ((*loaded)->used[1], used[1]);
      free += (*loaded)->free_count;
    }
    return free;
  }

 private:
  tests::MountedParts parts_;
};

TEST(InodeTable, TheRootIsThereAndTheRestOfTheFirstClusterIsFree) {
  Inodes fs(4 * kMiB);
  EXPECT_EQ(fs.Look(kRoot), 0);
  EXPECT_EQ(fs.Look(Ino(kInoInodeFile)), 0);
  for (uint64_t i = 5; i < kInodesPerCluster; ++i) EXPECT_EQ(fs.Look(Ino(i)), ESTALE) << i;
  EXPECT_EQ(*fs.table().End(fs.medium()), kInodesPerCluster);
}

TEST(InodeTable, AnAllocatedInodeIsFoundAfterARemount) {
  Inodes fs(4 * kMiB);
  const auto ino = fs.Make();
  ASSERT_TRUE(ino) << ino.error().Text();
  EXPECT_EQ(ino->value(), kInoFirstFree);
  fs.parts().Remount();
  EXPECT_EQ(fs.Look(*ino), 0);
  EXPECT_EQ((*fs.table().Read(fs.medium(), *ino))->generation, 1U);
  // The next one is its neighbour.
  EXPECT_EQ(fs.Make()->value(), kInoFirstFree + 1);
}

TEST(InodeTable, AnAbortLeavesTheSlotFree) {
  Inodes fs(4 * kMiB);
  const auto failed = fs.parts().Run([&](Transaction& tx) -> Result<Ino> {
    HOLDFAST_TRY(fs.MakeIn(tx, kRoot));
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(fs.Look(Ino(kInoFirstFree)), ESTALE);
  EXPECT_EQ(fs.Make()->value(), kInoFirstFree);
}

TEST(InodeTable, AReusedSlotIsClearAndHasTheNextGeneration) {
  Inodes fs(4 * kMiB);
  const Ino ino = *fs.Make();
  ASSERT_TRUE(fs.Free(ino));
  EXPECT_EQ(fs.Look(ino), ESTALE);
  fs.parts().Remount();
  const auto again = fs.parts().Run([&](Transaction& tx) -> Result<Ino> {
    HOLDFAST_ASSIGN(const auto made, fs.table().Allocate(tx, kRoot));
    EXPECT_EQ(made.second->generation, 2U);
    InodeSlot expected{};
    expected.header = made.second->header;
    expected.generation = 2;
    EXPECT_EQ(std::memcmp(&expected, made.second, sizeof(expected)), 0);
    made.second->mode = S_IFREG;
    made.second->size = made.first.value();
    return made.first;
  });
  EXPECT_EQ(*again, ino);
  EXPECT_EQ(fs.Look(ino), 0);
}

TEST(InodeTable, TheTransactionSeesItsOwnInode) {
  Inodes fs(4 * kMiB);
  const auto done = fs.parts().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const Ino ino, fs.MakeIn(tx, kRoot));
    HOLDFAST_ASSIGN(InodeSlot * slot, fs.table().Edit(tx, ino));
    slot->uid = 7;
    HOLDFAST_ASSIGN(const InodeSlot* read, fs.table().Read(tx, ino));
    EXPECT_EQ(read->uid, 7U);
    EXPECT_EQ(fs.Look(ino), ESTALE);
    return {};
  });
  EXPECT_TRUE(done);
}

TEST(InodeTable, GarbageNumbersAreNoInodes) {
  Inodes fs(4 * kMiB);
  for (const uint64_t n : {uint64_t{0}, kInodesPerCluster, uint64_t{12345}, kMaxInodes - 1,
                           kMaxInodes, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_EQ(fs.Look(Ino(n)), ESTALE) << n;
    EXPECT_EQ(fs.Free(Ino(n)).error().code, n == 0 ? EUCLEAN : ESTALE) << n;
    const auto edit = fs.parts().Run([&](Transaction& tx) { return fs.table().Edit(tx, Ino(n)); });
    EXPECT_EQ(edit.error().code, ESTALE) << n;
  }
  const auto edit = fs.parts().Run([&](Transaction& tx) { return fs.table().Edit(tx, Ino(40)); });
  EXPECT_EQ(edit.error().code, ESTALE);
}

TEST(InodeTable, FreeingWhatIsFreeOrReservedIsUnclean) {
  Inodes fs(4 * kMiB);
  const Ino ino = *fs.Make();
  EXPECT_EQ(fs.Free(Ino(ino.value() + 1)).error().code, EUCLEAN);
  EXPECT_EQ(fs.Free(kRoot).error().code, EUCLEAN);
  EXPECT_EQ(fs.Free(Ino(kInoQuarantine)).error().code, EUCLEAN);
  EXPECT_TRUE(fs.Free(ino));
  EXPECT_EQ(fs.Free(ino).error().code, EUCLEAN);
}

TEST(InodeTable, GrowsByAClusterWithoutHoles) {
  Inodes fs(16 * kMiB);
  std::set<uint64_t> numbers;
  for (int i = 0; i < 500; ++i) {
    const auto ino = fs.Make();
    ASSERT_TRUE(ino) << ino.error().Text();
    EXPECT_TRUE(numbers.insert(ino->value()).second);
  }
  EXPECT_EQ(*numbers.rbegin(), kInoFirstFree + 499);
  EXPECT_EQ(fs.clusters(), 5U);
  EXPECT_EQ(fs.FreeOnMedium(), 5 * kInodesPerCluster - kInoFirstFree - 500);
  const InodeSlot& file = **fs.table().Read(fs.medium(), Ino(kInoInodeFile));
  EXPECT_EQ(file.size, 5 * kClusterBlocks * kMetadataBlock);
  EXPECT_EQ(file.blocks, 5 * kClusterBlocks);
  fs.parts().Remount();
  for (const uint64_t n : numbers) ASSERT_EQ(fs.Look(Ino(n)), 0) << n;
}

TEST(InodeTable, AGrowthAndItsInodeAreAbortedTogether) {
  Inodes fs(16 * kMiB);
  while (fs.Make()->value() < kInodesPerCluster - 1) {
  }
  const auto before = fs.parts().allocator().Totals()->free;
  const auto failed = fs.parts().Run([&](Transaction& tx) -> Result<Ino> {
    HOLDFAST_ASSIGN(const Ino ino, fs.MakeIn(tx, kRoot));
    EXPECT_EQ(ino.value(), kInodesPerCluster);
    return Fail(EXDEV);
  });
  EXPECT_EQ(failed.error().code, EXDEV);
  EXPECT_EQ(fs.Look(Ino(kInodesPerCluster)), ESTALE);
  EXPECT_EQ(fs.parts().allocator().Totals()->free, before);
  EXPECT_EQ(fs.Make()->value(), kInodesPerCluster);
}

TEST(InodeTable, ManyInOneTransactionMayNeedSeveralClusters) {
  Inodes fs(16 * kMiB);
  const auto done = fs.parts().Run([&](Transaction& tx) -> Result<void> {
    for (int i = 0; i < 300; ++i) HOLDFAST_TRY(fs.MakeIn(tx, kRoot));
    return {};
  });
  ASSERT_TRUE(done) << done.error().Text();
  EXPECT_EQ(fs.clusters(), 3U);
  EXPECT_EQ(fs.FreeOnMedium(), 3 * kInodesPerCluster - kInoFirstFree - 300);
  EXPECT_EQ(fs.table().Count()->free % kInodesPerCluster,
            (3 * kInodesPerCluster - kInoFirstFree - 300) % kInodesPerCluster);
}

TEST(InodeTable, FreeSlotsOfEarlierMountsAreUsedBeforeTheFileGrows) {
  Inodes fs(16 * kMiB);
  for (int i = 0; i < 700; ++i) ASSERT_TRUE(fs.Make());
  const uint64_t clusters = fs.clusters();
  for (uint64_t n = 200; n < 210; ++n) ASSERT_TRUE(fs.Free(Ino(n)));
  fs.parts().Remount();
  const uint64_t room = clusters * kInodesPerCluster - kInoFirstFree - 690;
  std::set<uint64_t> reused;
  for (uint64_t i = 0; i < room; ++i) reused.insert(fs.Make()->value());
  EXPECT_EQ(fs.clusters(), clusters);
  for (uint64_t n = 200; n < 210; ++n) EXPECT_TRUE(reused.contains(n)) << n;
}

TEST(InodeTable, ExhaustionUsesEverySlotThenSaysENOSPC) {
  Inodes fs(4 * kMiB);
  uint64_t made = 0;
  Result<Ino> ino = Fail(0);
  for (; (ino = fs.Make(Ino(1 + made % 7))); ++made) {
  }
  EXPECT_EQ(ino.error().code, ENOSPC);
  EXPECT_EQ(fs.FreeOnMedium(), 0U);
  EXPECT_EQ(made, fs.clusters() * kInodesPerCluster - kInoFirstFree);
  EXPECT_GT(fs.clusters(), 20U);
  EXPECT_EQ(fs.table().Count()->free, 0U);
  EXPECT_EQ(fs.table().Count()->total, made + 1);
  // Freeing one makes room for exactly one, on a filesystem that stays full.
  ASSERT_TRUE(fs.Free(Ino(777)));
  EXPECT_EQ(fs.Make()->value(), 777U);
  EXPECT_EQ(fs.Make().error().code, ENOSPC);
  fs.parts().Remount();
  EXPECT_EQ(fs.Make().error().code, ENOSPC);
  ASSERT_TRUE(fs.Free(Ino(20)));
  EXPECT_EQ(fs.Make()->value(), 20U);
}

TEST(InodeTable, AClusterMayBeInPieces) {
  Inodes fs(8 * kMiB);
  // Every second block is taken: no two free ones are neighbours.
  std::vector<BlockRun> taken;
  ASSERT_TRUE(fs.parts().Run([&](Transaction& tx) -> Result<void> {
    taken.clear();
    HOLDFAST_ASSIGN(const auto available, fs.parts().allocator().Totals());
    HOLDFAST_ASSIGN(const BlockRuns runs, fs.parts().allocator().AllocateAll(
                                              tx, available.free, Pfn(0), AllocFor::kRemoval));
    taken.assign(runs.begin(), runs.end());
    return {};
  }));
  ASSERT_TRUE(fs.parts().Run([&](Transaction& tx) -> Result<void> {
    for (const BlockRun& run : taken) {
      for (uint64_t i = 0; i < run.length.value(); i += 2) {
        HOLDFAST_TRY(fs.parts().allocator().Free(tx, {run.start + BlockCount(i), BlockCount(1)}));
      }
    }
    return {};
  }));
  for (int i = 0; i < 400; ++i) {
    const auto ino = fs.Make();
    ASSERT_TRUE(ino) << ino.error().Text();
  }
  for (const bool remount : {false, true}) {
    if (remount) fs.parts().Remount();
    for (uint64_t n = kInoFirstFree; n < kInoFirstFree + 400; ++n) ASSERT_EQ(fs.Look(Ino(n)), 0);
    std::set<uint64_t> blocks;
    for (uint64_t n = 120; n < 240; ++n) {
      blocks.insert(fs.table().Locate(fs.medium(), Ino(n))->offset / kBlockSize);
    }
    EXPECT_EQ(blocks.size(), 15U);
    EXPECT_GT(*blocks.rbegin() - *blocks.begin(), 15U);
  }
  // The slots of the second half of a scattered cluster can be freed and used again.
  ASSERT_TRUE(fs.Free(Ino(230)));
  EXPECT_EQ(fs.Make()->value(), 230U);
}

TEST(InodeTable, DirectoriesGetClustersOfTheirOwnOnLargerFilesystems) {
  Inodes fs(256 * kMiB);
  std::map<uint64_t, std::set<uint64_t>> clusters_of;
  for (int i = 0; i < 30; ++i) {
    for (uint64_t parent = 100; parent < 116; ++parent) {
      clusters_of[parent].insert(fs.Make(Ino(parent))->value() / kInodesPerCluster);
    }
  }
  std::set<uint64_t> all;
  for (const auto& [parent, clusters] : clusters_of) {
    EXPECT_LE(clusters.size(), 3U) << parent;
    all.insert(clusters.begin(), clusters.end());
  }
  EXPECT_GE(all.size(), 4U);
}

TEST(InodeTable, CountIsKeptInStep) {
  Inodes fs(16 * kMiB);
  const auto at_first = fs.table().Count();
  ASSERT_TRUE(at_first);
  EXPECT_EQ(at_first->total, at_first->free + 1);
  std::vector<Ino> made;
  for (int i = 0; i < 130; ++i) made.push_back(*fs.Make());
  const auto then = fs.table().Count();
  EXPECT_EQ(then->total - then->free, 131U);
  for (const Ino ino : made) ASSERT_TRUE(fs.Free(ino));
  const auto last = fs.table().Count();
  EXPECT_EQ(last->total, last->free + 1);
  fs.parts().Remount();
  EXPECT_EQ(fs.table().Count()->free, last->free);
  EXPECT_EQ(fs.table().Count()->total, last->total);
}

TEST(InodeTable, RandomStepsAgainstAModel) {
  Inodes fs(16 * kMiB);
  std::mt19937_64 random(7);
  std::map<uint64_t, uint32_t> live;  // number -> generation
  std::map<uint64_t, uint32_t> last;
  for (int step = 0; step < 4000; ++step) {
    if (step % 997 == 996) fs.parts().Remount();
    const bool commit = random() % 5 != 0;
    const bool make = live.empty() || random() % 5 < (step / 1000 % 2 == 0 ? 4 : 1);
    uint64_t number = 0;
    uint32_t generation = 0;
    if (!make) number = std::next(live.begin(), static_cast<long>(random() % live.size()))->first;
    const auto done = fs.parts().Run([&](Transaction& tx) -> Result<void> {
      if (make) {
        HOLDFAST_ASSIGN(const Ino ino, fs.MakeIn(tx, Ino(1 + random() % 50)));
        number = ino.value();
        generation = (*fs.table().Read(tx, ino))->generation;
      } else {
        HOLDFAST_TRY(fs.table().Free(tx, Ino(number)));
      }
      return commit ? Result<void>() : Fail(EXDEV);
    });
    ASSERT_EQ(done.has_value(), commit) << done.error().Text();
    if (make) {
      ASSERT_FALSE(live.contains(number));
      ASSERT_EQ(generation, last[number] + 1);
    }
    if (!commit) continue;
    if (make) {
      live[number] = last[number] = generation;
    } else {
      live.erase(number);
    }
  }
  for (uint64_t n = kInoFirstFree; n < *fs.table().End(fs.medium()); ++n) {
    ASSERT_EQ(fs.Look(Ino(n)), live.contains(n) ? 0 : ESTALE) << n;
  }
  EXPECT_EQ(fs.FreeOnMedium(), fs.clusters() * kInodesPerCluster - kInoFirstFree - live.size());
}

TEST(InodeTable, AHundredThousandInodes) {
  Inodes fs(256 * kMiB);
  constexpr uint64_t kCount = 100000;
  for (uint64_t i = 0; i < kCount; i += 100) {
    const auto done = fs.parts().Run([&](Transaction& tx) -> Result<void> {
      for (int j = 0; j < 100; ++j) HOLDFAST_TRY(fs.MakeIn(tx, Ino(1 + i / 1000)));
      return {};
    });
    ASSERT_TRUE(done) << done.error().Text();
  }
  fs.parts().Remount();
  uint64_t alive = 0;
  for (uint64_t n = kInoFirstFree; n < *fs.table().End(fs.medium()); ++n) {
    alive += fs.Look(Ino(n)) == 0 ? 1 : 0;
  }
  EXPECT_EQ(alive, kCount);
  const auto count = fs.table().Count();
  EXPECT_EQ(count->total - count->free, kCount + 1);
}

TEST(InodeTable, ThreadsMakeAndFreeInodes) {
  Inodes fs(64 * kMiB);
  absl::Mutex mutex;
  std::set<uint64_t> live;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Ino> mine;
      for (uint64_t i = 0; i < 600; ++i) {
        if (i % 3 == 2) {
          ASSERT_TRUE(fs.Free(mine.back()));
          mine.pop_back();
          continue;
        }
        // Two threads share a directory.
        const auto ino = fs.Make(Ino(50 + t / 2));
        ASSERT_TRUE(ino) << ino.error().Text();
        mine.push_back(*ino);
      }
      absl::MutexLock lock(&mutex);
      for (const Ino ino : mine) EXPECT_TRUE(live.insert(ino.value()).second);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(live.size(), 4U * 200);
  fs.parts().Remount();
  EXPECT_EQ(fs.FreeOnMedium(), fs.clusters() * kInodesPerCluster - kInoFirstFree - live.size());
  for (const uint64_t n : live) EXPECT_EQ(fs.Look(Ino(n)), 0);
}

// Overwrites the head of the first cluster on the medium.
template <typename F>
void CorruptHead(Inodes& fs, F&& change) {
  const ObjectId id = ClusterHeadId(Pfn(fs.medium().superblock().inode_cluster0));
  Region& region = fs.parts().base().region();
  InodeCluster head;
  std::memcpy(&head, region.At(id.offset), sizeof(head));
  change(head);
  SealObject(&head, id, fs.medium().uuid(), 1);
  region.persist().Store(region.Target(id.offset), &head, sizeof(head));
}

TEST(InodeTable, AHeadThatContradictsItselfIsUnclean) {
  void (*const changes[])(InodeCluster&) = {
      [](InodeCluster& head) { head.first_ino = 120; },
      [](InodeCluster& head) { head.free_count += 1; },
      [](InodeCluster& head) { head.used[0] |= uint64_t{1} << 50; },
      [](InodeCluster& head) {
        head.used[1] &= ~(uint64_t{1} << 60);
        head.free_count += 1;
      },
  };
  for (const auto& change : changes) {
    Inodes fs(4 * kMiB);
    CorruptHead(fs, change);
    EXPECT_EQ(fs.Make().error().code, EUCLEAN);
    EXPECT_EQ(fs.table().Count().error().code, EUCLEAN);
    EXPECT_EQ(fs.Look(kRoot), 0);
  }
}

TEST(InodeTable, AnInodeInUseIsNotHandedOutWhenItsBitIsClear) {
  Inodes fs(4 * kMiB);
  const Ino ino = *fs.Make();
  fs.parts().Remount();
  CorruptHead(fs, [&](InodeCluster& head) {
    head.used[0] &= ~(uint64_t{1} << ino.value());
    head.free_count += 1;
  });
  EXPECT_EQ(fs.Make().error().code, EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
