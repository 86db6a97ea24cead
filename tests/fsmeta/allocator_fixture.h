// SPDX-License-Identifier: Apache-2.0
// A formatted medium with an allocator, for tests that allocate and free.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>

#include "fsmeta/allocator.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {

inline FormatOptions GroupsOf(uint64_t blocks) {
  FormatOptions options;
  options.group_blocks = blocks;
  return options;
}

// Both, and helpers that run one call in one transaction.
class AllocatorFixture {
 public:
  explicit AllocatorFixture(uint64_t bytes, const FormatOptions& options = {})
      : parts_(bytes, options), allocator_(std::make_unique<Allocator>(parts_.medium())) {
    parts_.journal().set_spill_source(allocator_.get());
  }

  void Remount() {
    parts_.Remount();
    allocator_ = std::make_unique<Allocator>(parts_.medium());
    parts_.journal().set_spill_source(allocator_.get());
  }
  Result<BlockRun> Allocate(uint64_t want, uint64_t goal = 0, AllocFor purpose = AllocFor::kData,
                            bool exact = false) {
    return parts_.runner().Run([&](Transaction& tx) {
      return allocator_->Allocate(tx, BlockCount(want), Pfn(goal), purpose, exact);
    });
  }
  Result<BlockRuns> AllocateAll(uint64_t want, AllocFor purpose = AllocFor::kData) {
    return parts_.runner().Run([&](Transaction& tx) {
      return allocator_->AllocateAll(tx, BlockCount(want), Pfn(0), purpose);
    });
  }
  Result<void> Free(BlockRun run) {
    return parts_.runner().Run([&](Transaction& tx) { return allocator_->Free(tx, run); });
  }
  SpaceTotals Totals() {
    const auto totals = allocator_->Totals();
    EXPECT_TRUE(totals) << totals.error().Text();
    return totals.value_or(SpaceTotals{});
  }
  uint64_t free() { return Totals().free.value(); }
  uint64_t available() { return Totals().available.value(); }
  uint64_t reserve() { return parts_.superblock().reserve_blocks; }

  // The medium's own view: which blocks are free, with the headers' counts checked against it.
  std::set<uint64_t> FreeOnMedium() {
    std::set<uint64_t> free;
    for (uint64_t group = 0; group < allocator_->group_count(); ++group) {
      const GroupLayout layout = LayoutOfGroup(parts_.superblock(), group);
      uint64_t in_group = 0;
      const auto done =
          GroupBitmap(group, layout).ForEachFreeRun(parts_.medium(), [&](BlockRun run) {
            in_group += run.length.value();
            for (uint64_t i = 0; i < run.length.value(); ++i) free.insert(run.start.value() + i);
          });
      EXPECT_TRUE(done) << done.error().Text();
      EXPECT_EQ((*allocator_->ReadGroup(parts_.medium(), group))->free_blocks, in_group);
    }
    return free;
  }

  tests::FormattedMedium& parts() { return parts_; }
  Allocator& allocator() { return *allocator_; }

 private:
  tests::FormattedMedium parts_;
  std::unique_ptr<Allocator> allocator_;
};

}  // namespace holdfast::fsmeta
