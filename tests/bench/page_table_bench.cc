// SPDX-License-Identifier: Apache-2.0
// What page descriptors cost: by order of the page, at opening, and when looking for busy ones.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>

#include "daxcore/mapping.h"
#include "daxcore/page_table.h"

namespace holdfast::daxcore {
namespace {

constexpr BlockCount kGiB = BlocksOf(PageOrder::k1G);

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * kBlockSize;
}

// Argument: the order. The 2 MiB case is to be at least 100 times cheaper than the 4 KiB one (C2).
void AssociateAndDisassociateOneGiB(benchmark::State& state) {
  const auto order = static_cast<PageOrder>(state.range(0));
  auto table = *PageTable::Create(kGiB, PageOrder::k1G);
  const MappingId name = *table->AddMapping(Ino(1));
  const FileRun run{FileBlock(0), Pfn(0), kGiB};
  for (auto _ : state) {
    const Progress made = table->Associate(name, run, order, false);
    if (made.code != 0) state.SkipWithError("refused");
    table->Disassociate(name, run, Disassociation::kTruncate);
  }
  state.SetItemsProcessed(
      static_cast<int64_t>(state.iterations() * kGiB.value() / BlocksOf(order).value()));
}
BENCHMARK(AssociateAndDisassociateOneGiB)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);

// The same on descriptors nobody has touched: the first time includes their page faults.
void FirstAssociationOfOneGiB(benchmark::State& state) {
  const auto order = static_cast<PageOrder>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    auto table = *PageTable::Create(kGiB, PageOrder::k1G);
    const MappingId name = *table->AddMapping(Ino(1));
    state.ResumeTiming();
    table->Associate(name, {FileBlock(0), Pfn(0), kGiB}, order, false);
    state.PauseTiming();
    table.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(FirstAssociationOfOneGiB)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);

// Argument: the geometry. Under 1 ms and 1 MiB resident at each (C2).
void OpenTableOfOneTiB(benchmark::State& state) {
  const auto geometry = static_cast<PageOrder>(state.range(0));
  uint64_t resident = 0;
  for (auto _ : state) {
    const uint64_t before = ResidentBytes();
    auto table = *PageTable::Create(BlockCount(kGiB.value() * 1024), geometry);
    benchmark::DoNotOptimize(table->Describe(Pfn(12345)));
    resident = std::max(resident, ResidentBytes() - before);
  }
  state.counters["resident_bytes"] = static_cast<double>(resident);
}
BENCHMARK(OpenTableOfOneTiB)->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);

// Argument: size of the file in GiB, all of it mapped, ten ranges of it pinned. Independent of the
// size.
void FindTenPinnedRanges(benchmark::State& state) {
  const BlockCount blocks(kGiB.value() * static_cast<uint64_t>(state.range(0)));
  auto table = *PageTable::Create(blocks, PageOrder::k2M);
  Mapping mapping(*table, *table->AddMapping(Ino(1)));
  for (FileRun rest{FileBlock(0), Pfn(0), blocks}; !rest.pages().empty();) {
    const Progress made = mapping.Insert(rest, false, false);
    rest = {rest.index + made.done, rest.pfn + made.done, rest.length - made.done};
  }
  constexpr BlockCount kPinned = BlocksOf(PageOrder::k2M);
  for (uint64_t i = 0; i < 10; ++i) {
    const Pfn pfn(AlignDown(blocks.value() / 10 * i, kPinned.value()));
    table->Get({pfn, kPinned}, Reference::kPin);
  }
  for (auto _ : state) {
    FileRange rest{FileBlock(0), FileBlock(blocks.value())};
    uint64_t found = 0;
    while (!rest.empty()) found += mapping.NextReferenced(rest) ? 1 : 0;
    if (found != 10) state.SkipWithError("not ten");
  }
  for (uint64_t i = 0; i < 10; ++i) {
    const Pfn pfn(AlignDown(blocks.value() / 10 * i, kPinned.value()));
    table->Put({pfn, kPinned}, Reference::kPin);
  }
}
BENCHMARK(FindTenPinnedRanges)->RangeMultiplier(8)->Range(1, 512)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace holdfast::daxcore
