// SPDX-License-Identifier: Apache-2.0
// How long finding, mapping and unmapping extents takes, by how many there are.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include "daxcore/region.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/format_region.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kRegionBytes = uint64_t{2} << 30;
constexpr uint64_t kBase = kGroupBlocksMax / 4;

// A filesystem in memory with one file of extents that never merge: every second file block.
class Bench {
 public:
  explicit Bench(uint64_t extents) : region_(Region::InMemory(kRegionBytes)) {
    Check(FormatRegion(*region_, {}));
    medium_ = std::make_unique<Medium>(*region_, *ReadSuperblock(*region_));
    journal_ = *Journal::Open(*medium_);
    runner_ = std::make_unique<TransactionRunner>(*medium_, *journal_);
    allocator_ = std::make_unique<Allocator>(*medium_);
    journal_->set_spill_source(allocator_.get());
    refcounts_.emplace(*allocator_);
    reverse_map_.emplace(*allocator_);
    map_.emplace(SpaceTools{*allocator_, *refcounts_, *reverse_map_});
    for (uint64_t at = 0; at < extents; at += 500) {
      Change([&](Transaction& tx, InodeSlot* slot) -> Result<void> {
        for (uint64_t i = at; i < std::min(at + 500, extents); ++i) {
          HOLDFAST_TRY(map_->Insert(tx, slot, At(i), AllocFor::kData));
        }
        return {};
      });
    }
  }

  static Extent At(uint64_t i) { return {FileBlock(2 * i), {Pfn(kBase + i), BlockCount(1)}, 0}; }
  static void Check(const Result<void>& done) {
    if (!done) throw std::runtime_error(done.error().Text());
  }
  template <typename F>
  void Change(F&& body) {
    Check(runner_->Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(void* slot, tx.Edit(SlotOf()));
      return body(tx, static_cast<InodeSlot*>(slot));
    }));
  }
  const InodeSlot& slot() { return *static_cast<const InodeSlot*>(*medium_->Load(SlotOf())); }
  Medium& medium() { return *medium_; }
  ExtentMap& map() { return *map_; }

 private:
  ObjectId SlotOf() { return SlotId(Pfn(medium_->superblock().inode_cluster0), Ino(20)); }

  std::unique_ptr<Region> region_;
  std::unique_ptr<Medium> medium_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<TransactionRunner> runner_;
  std::unique_ptr<Allocator> allocator_;
  std::optional<Refcounts> refcounts_;
  std::optional<ReverseMap> reverse_map_;
  std::optional<ExtentMap> map_;
};

void Find(benchmark::State& state) {
  const auto extents = static_cast<uint64_t>(state.range(0));
  Bench bench(extents);
  const InodeSlot& slot = bench.slot();
  std::mt19937_64 random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        bench.map().Find(bench.medium(), slot, FileBlock(random() % (2 * extents))));
  }
}
BENCHMARK(Find)->Arg(1)->Arg(10)->Arg(150)->Arg(10'000)->Arg(50'000);

// One extent out and in again, each in a transaction with its commit.
void RemoveAndInsert(benchmark::State& state) {
  const auto extents = static_cast<uint64_t>(state.range(0));
  Bench bench(extents);
  std::mt19937_64 random(2);
  std::vector<Extent> out;
  for (auto _ : state) {
    const FileBlock at(2 * (random() % extents));
    bench.Change([&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      out.clear();
      HOLDFAST_TRY(bench.map().Remove(tx, slot, at, at + BlockCount(1), 1, &out));
      return {};
    });
    bench.Change([&](Transaction& tx, InodeSlot* slot) {
      return bench.map().Insert(tx, slot, out.front(), AllocFor::kData);
    });
  }
}
BENCHMARK(RemoveAndInsert)->Arg(1)->Arg(150)->Arg(10'000)->Arg(50'000);

}  // namespace
}  // namespace holdfast::fsmeta
