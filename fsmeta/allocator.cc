// SPDX-License-Identifier: Apache-2.0
// Allocating and freeing in transactions: index first, then the group's lock, then its bitmap.
#include "fsmeta/allocator.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "daxcore/media_failure.h"
#include "fsmeta/allocation_fault.h"

namespace holdfast::fsmeta {

GroupBitmap Allocator::BitmapOf(BlockRun run) const {
  const uint64_t group = GroupOf(run.start);
  return {group, space_.layout(group)};
}

Result<BlockRun> Allocator::TakeRun(BlockCount want, Pfn goal, AllocFor purpose, bool exact) {
  if (AllocationFails(AllocationKind::kBlocks)) return Fail(ENOSPC);
  const BlockCount keep_back(purpose == AllocFor::kRemoval ? 0
                                                           : medium_.superblock().reserve_blocks);
  for (;;) {
    HOLDFAST_ASSIGN(const BlockRun run, space_.Take({want, exact, goal, keep_back}));
    if (!IsUsable(run)) continue;
    if (observer_) observer_(run);
    return run;
  }
}

// Bad blocks are repaired before they get an owner. Where that cannot be done they stay out of
// reach until the next mount, and the rest goes back.
bool Allocator::IsUsable(BlockRun run) {
  if (is_referenced_ && is_referenced_(run)) [[unlikely]] {
    oracle_hits_.fetch_add(1, std::memory_order_relaxed);
    spdlog::critical("{}: blocks {} to {} are free, but somebody may still touch them; kept back",
                     medium_.region().path(), run.start.value(), run.end().value() - 1);
    return false;
  }
  MediaFailure* const failure = medium_.failure();
  if (failure == nullptr || failure->PrepareOverwrite(run.start, run.length)) [[likely]] {
    return true;
  }
  for (Pfn at = run.start; at < run.end();) {
    const BlockCount good(failure->GoodPrefix(ByteOffset(at), Bytes(run.end() - at)) >>
                          kBlockShift);
    if (good > BlockCount(0)) space_.Put({at, good});
    at += good + BlockCount(1);
  }
  return false;
}

// In this order: once the run is in the index, somebody may make metadata of it. After a shutdown
// nobody may any more: what was being committed then may count at the next mount.
void Allocator::GiveBack(BlockRun run) {
  if (medium_.is_shut_down()) return;
  medium_.ForgetVerified(run.start, run.length);
  space_.Put(run);
}

// Sets the bits of a run that is already ours in the index. The index follows the committed bitmap,
// so a bit that is set all the same means that the medium was changed behind our back.
Result<void> Allocator::MarkTaken(Transaction& tx, BlockRun run) {
  HOLDFAST_ASSIGN(GroupHeader * header, EditGroup(tx, GroupOf(run.start)));
  const GroupBitmap bitmap = BitmapOf(run);
  HOLDFAST_ASSIGN(const bool all_free, bitmap.AllBits(tx, run, false));
  if (!all_free || header->free_blocks < run.length.value()) {
    return Fail(EUCLEAN, absl::StrFormat("group %d: its bitmap changed while it was mounted; run "
                                         "fsck.holdfast",
                                         GroupOf(run.start)));
  }
  header->free_blocks -= run.length.value();
  return bitmap.Change(tx, run, true);
}

Result<BlockRun> Allocator::Allocate(Transaction& tx, BlockCount want, Pfn goal, AllocFor purpose,
                                     bool exact) {
  HOLDFAST_ASSIGN(const BlockRun run, TakeRun(want, goal, purpose, exact));
  tx.OnAbort([this, run] { GiveBack(run); });
  HOLDFAST_TRY(MarkTaken(tx, run));
  return run;
}

Result<BlockRuns> Allocator::AllocateAll(Transaction& tx, BlockCount want, Pfn goal,
                                         AllocFor purpose) {
  BlockRuns runs;
  for (BlockCount left = want; left > BlockCount(0); left -= runs.back().length) {
    auto run = TakeRun(left, runs.empty() ? goal : runs.back().end(), purpose, /*exact=*/false);
    if (!run) {
      for (const BlockRun& taken : runs) space_.Put(taken);
      return Pass(std::move(run));
    }
    runs.push_back(*run);
  }
  // Ascending groups: their locks are in order.
  std::ranges::sort(runs);
  tx.OnAbort([this, runs] {
    for (const BlockRun& run : runs) GiveBack(run);
  });
  for (const BlockRun& run : runs) HOLDFAST_TRY(MarkTaken(tx, run));
  return runs;
}

Result<void> Allocator::CheckFreeable(BlockRun run) const {
  if (space_.IsAllocatable(run)) return {};
  return Fail(EUCLEAN, absl::StrFormat("%d blocks from %d are to be freed, which are not all a "
                                       "file's; run fsck.holdfast",
                                       run.length.value(), run.start.value()));
}

Result<void> Allocator::Free(Transaction& tx, BlockRun run) {
  HOLDFAST_TRY(CheckFreeable(run));
  const uint64_t group = GroupOf(run.start);
  HOLDFAST_ASSIGN(GroupHeader * header, EditGroup(tx, group));
  HOLDFAST_TRY(space_.Know(group));
  const GroupBitmap bitmap = BitmapOf(run);
  HOLDFAST_ASSIGN(const bool all_taken, bitmap.AllBits(tx, run, true));
  if (!all_taken) {
    return Fail(EUCLEAN, absl::StrFormat("a block among %d to %d is freed twice; run fsck.holdfast",
                                         run.start.value(), run.end().value() - 1));
  }
  header->free_blocks += run.length.value();
  HOLDFAST_TRY(bitmap.Change(tx, run, false));
  tx.OnCommit([this, run] { GiveBack(run); });
  return {};
}

Result<GroupHeader*> Allocator::EditGroup(Transaction& tx, uint64_t group) {
  if (group >= group_count()) {
    return Fail(EUCLEAN, absl::StrFormat("there is no group %d; run fsck.holdfast", group));
  }
  // The headers are added up before the first of them changes.
  HOLDFAST_TRY(space_.Count());
  HOLDFAST_TRY(tx.Lock({ResourceClass::kGroup, group}));
  return tx.EditBlock<GroupHeader>(space_.layout(group).header, ObjectType::kGroupHeader, group);
}

Result<const GroupHeader*> Allocator::ReadGroup(MetaReader& reader, uint64_t group) const {
  if (group >= group_count()) {
    return Fail(EUCLEAN, absl::StrFormat("there is no group %d; run fsck.holdfast", group));
  }
  return reader.Block<GroupHeader>(space_.layout(group).header, ObjectType::kGroupHeader, group);
}

Result<SpaceTotals> Allocator::Totals() {
  HOLDFAST_TRY(space_.Count());
  const BlockCount free = space_.free();
  const BlockCount reserve(medium_.superblock().reserve_blocks);
  return SpaceTotals{medium_.blocks(), free, free > reserve ? free - reserve : BlockCount(0)};
}

Result<bool> Allocator::IsAllocated(MetaReader& reader, BlockRun run) const {
  if (!medium_.Contains(run.start, run.length) ||
      GroupOf(run.start) != GroupOf(run.end() - BlockCount(1))) {
    return false;
  }
  return BitmapOf(run).AllBits(reader, run, true);
}

Result<Spill> Allocator::Borrow(BlockCount n) {
  HOLDFAST_ASSIGN(const BlockRun run, TakeRun(n, Pfn(0), AllocFor::kRemoval, /*exact=*/true));
  return Spill{run.start, run.length};
}

void Allocator::Return(const Spill& spill) { GiveBack({spill.start, spill.length}); }

Result<Pfn> AllocatorNodeSpace::AllocateNode(Transaction& tx) {
  HOLDFAST_ASSIGN(const BlockRun run,
                  allocator_.Allocate(tx, BlockCount(1), goal_, purpose_, /*exact=*/true));
  return run.start;
}

Result<void> AllocatorNodeSpace::FreeNode(Transaction& tx, Pfn node) {
  tx.Discard(node);
  return allocator_.Free(tx, {node, BlockCount(1)});
}

}  // namespace holdfast::fsmeta
