// SPDX-License-Identifier: Apache-2.0
// Random allocations, releases and aborts, alone and by racing threads, against the bitmaps.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "fsmeta/allocator.h"
#include "tests/fsmeta/allocator_fixture.h"

namespace holdfast::fsmeta {
namespace {

using Fixture = AllocatorFixture;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Everything that is allocated, as runs; random steps with commits and aborts.
class Stress {
 public:
  Stress(Fixture& fs, uint64_t seed) : fs_(fs), random_(seed) {}

  void Step() {
    const bool commit = Below(4) != 0;
    std::vector<BlockRun> taken;
    std::vector<size_t> freed;
    const auto done = fs_.parts().runner().Run([&](Transaction& tx) -> Result<void> {
      taken.clear();
      freed.clear();
      for (uint64_t i = 0; i <= Below(4); ++i) HOLDFAST_TRY(AllocateOne(tx, &taken));
      for (uint64_t i = 0; i <= Below(4); ++i) HOLDFAST_TRY(FreeOne(tx, &freed));
      if (!commit) return Fail(EXDEV);
      return {};
    });
    if (!done) {
      ASSERT_TRUE(done.error().code == EXDEV || done.error().code == ENOSPC) << done.error().Text();
      return;
    }
    std::ranges::sort(freed, std::greater<>());
    for (const size_t i : freed) {
      mine_[i] = mine_.back();
      mine_.pop_back();
    }
    mine_.insert(mine_.end(), taken.begin(), taken.end());
  }

  const std::vector<BlockRun>& mine() const { return mine_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  uint64_t Size() { return Below(10) == 0 ? 1 + Below(1500) : 1 + Below(6); }

  Result<void> AllocateOne(Transaction& tx, std::vector<BlockRun>* taken) {
    const Pfn goal = mine_.empty() || Below(3) == 0 ? Pfn(0) : mine_[Below(mine_.size())].end();
    const AllocFor purpose = Below(5) == 0 ? AllocFor::kRemoval : AllocFor::kData;
    if (Below(3) == 0) {
      HOLDFAST_ASSIGN(const BlockRuns runs,
                      fs_.allocator().AllocateAll(tx, BlockCount(Size()), goal, purpose));
      taken->insert(taken->end(), runs.begin(), runs.end());
    } else {
      HOLDFAST_ASSIGN(const BlockRun run, fs_.allocator().Allocate(tx, BlockCount(Size()), goal,
                                                                   purpose, Below(4) == 0));
      taken->push_back(run);
    }
    return {};
  }

  Result<void> FreeOne(Transaction& tx, std::vector<size_t>* freed) {
    if (mine_.empty()) return {};
    const size_t i = Below(mine_.size());
    if (std::ranges::find(*freed, i) != freed->end()) return {};
    HOLDFAST_TRY(fs_.allocator().Free(tx, mine_[i]));
    freed->push_back(i);
    return {};
  }

  Fixture& fs_;
  std::mt19937_64 random_;
  std::vector<BlockRun> mine_;
};

// What is free on the medium is everything but what `runs` hold; no two runs overlap.
void ExpectExactly(Fixture& fs, const std::set<uint64_t>& free_at_first,
                   const std::vector<BlockRun>& runs) {
  std::set<uint64_t> expected = free_at_first;
  for (const BlockRun& run : runs) {
    for (uint64_t i = 0; i < run.length.value(); ++i) {
      ASSERT_EQ(expected.erase(run.start.value() + i), 1U);
    }
  }
  ASSERT_EQ(fs.FreeOnMedium(), expected);
  ASSERT_EQ(fs.free(), expected.size());
}

TEST(AllocatorModel, RandomStepsWithAbortsAndRemounts) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    Fixture fs(16 * kMiB, GroupsOf(seed == 2 ? 256U : 1024U));
    const auto free_at_first = fs.FreeOnMedium();
    Stress stress(fs, seed);
    for (int round = 0; round < 25; ++round) {
      for (int step = 0; step < 100; ++step) ASSERT_NO_FATAL_FAILURE(stress.Step());
      ASSERT_NO_FATAL_FAILURE(ExpectExactly(fs, free_at_first, stress.mine()));
      fs.Remount();
      ASSERT_NO_FATAL_FAILURE(ExpectExactly(fs, free_at_first, stress.mine()));
    }
  }
}

TEST(AllocatorConcurrent, ThreadsNeverGetTheSameBlock) {
  Fixture fs(32 * kMiB, GroupsOf(1024));
  const auto free_at_first = fs.FreeOnMedium();
  constexpr int kThreads = 4;
  std::vector<std::unique_ptr<Stress>> stresses;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    stresses.push_back(std::make_unique<Stress>(fs, 100 + static_cast<uint64_t>(i)));
    threads.emplace_back([stress = stresses.back().get()] {
      for (int step = 0; step < 1500; ++step) stress->Step();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<BlockRun> all;
  for (const auto& stress : stresses) {
    all.insert(all.end(), stress->mine().begin(), stress->mine().end());
  }
  ASSERT_NO_FATAL_FAILURE(ExpectExactly(fs, free_at_first, all));
}

TEST(AllocatorConcurrent, EveryBlockCanBeHadByRacingThreads) {
  Fixture fs(16 * kMiB, GroupsOf(512));
  const uint64_t available = fs.available();
  std::atomic<uint64_t> got{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const auto run = fs.Allocate(3);
        if (!run) {
          EXPECT_EQ(run.error().code, ENOSPC);
          return;
        }
        got += run->length.value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, available);
  EXPECT_EQ(fs.available(), 0U);
}

}  // namespace
}  // namespace holdfast::fsmeta
