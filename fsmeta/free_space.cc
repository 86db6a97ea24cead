// SPDX-License-Identifier: Apache-2.0
// Building the free-space indexes, choosing a group, and keeping the counts.
#include "fsmeta/free_space.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "absl/strings/str_format.h"
#include "fsmeta/group_bitmap.h"
#include "fsmeta/thread_ordinal.h"

namespace holdfast::fsmeta {

FreeSpace::FreeSpace(Medium& medium)
    : medium_(medium),
      group_blocks_(medium.superblock().group_blocks),
      group_count_(medium.superblock().group_count),
      groups_(std::make_unique<Group[]>(group_count_)) {
  for (uint64_t i = 0; i < group_count_; ++i) {
    groups_[i].layout = LayoutOfGroup(medium.superblock(), i);
  }
}

FreeSpace::~FreeSpace() = default;

Result<void> FreeSpace::Count() {
  if (counted_.load(std::memory_order_acquire)) return {};
  absl::MutexLock lock(&count_mutex_);
  if (counted_.load(std::memory_order_relaxed)) return {};
  return CountLocked();
}

Result<void> FreeSpace::CountLocked() {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < group_count_; ++i) {
    HOLDFAST_ASSIGN(
        const GroupHeader* header,
        medium_.Block<GroupHeader>(groups_[i].layout.header, ObjectType::kGroupHeader, i));
    HOLDFAST_TRY(CheckHeader(*header, i));
    groups_[i].free.store(header->free_blocks, std::memory_order_relaxed);
    sum += header->free_blocks;
  }
  free_.store(sum, std::memory_order_relaxed);
  counted_.store(true, std::memory_order_release);
  return {};
}

Result<void> FreeSpace::CheckHeader(const GroupHeader& header, uint64_t group) const {
  const GroupLayout& layout = groups_[group].layout;
  if (header.start == layout.start.value() && header.blocks == layout.blocks.value() &&
      header.bitmap_start == layout.bitmap.value() &&
      header.bitmap_blocks == layout.bitmap_blocks.value() &&
      header.free_blocks <= layout.blocks.value()) {
    return {};
  }
  return Fail(EUCLEAN, absl::StrFormat("group %d: its header does not fit the superblock; run "
                                       "fsck.holdfast",
                                       group));
}

Result<void> FreeSpace::Know(uint64_t group) {
  HOLDFAST_TRY(Count());
  absl::MutexLock lock(&groups_[group].mutex);
  return KnowLocked(groups_[group], group);
}

Result<void> FreeSpace::KnowLocked(Group& group, uint64_t number) {
  if (group.index) return {};
  auto index = std::make_unique<FreeIndex>(BlockRun{group.layout.start, group.layout.blocks});
  std::optional<BlockRun> impossible;
  HOLDFAST_TRY(GroupBitmap(number, group.layout).ForEachFreeRun(medium_, [&](BlockRun run) {
    if (IsAllocatable(run)) {
      index->Put(run);
    } else {
      impossible = run;
    }
  }));
  if (impossible) {
    return Fail(EUCLEAN,
                absl::StrFormat("bitmap of group %d: metadata among blocks %d to %d is "
                                "marked free; run fsck.holdfast",
                                number, impossible->start.value(), impossible->end().value() - 1));
  }
  const uint64_t expected = group.free.load(std::memory_order_relaxed);
  if (index->free().value() != expected) {
    return Fail(EUCLEAN, absl::StrFormat("group %d: the header says %d free blocks, the bitmap has "
                                         "%d; run fsck.holdfast",
                                         number, expected, index->free().value()));
  }
  group.index = std::move(index);
  return {};
}

// The goal's group; without a goal, threads start in different groups so that they seldom meet.
uint64_t FreeSpace::FirstGroup(const SpaceWish& wish) const {
  if (wish.goal != Pfn(0) && medium_.Contains(wish.goal, BlockCount(1))) return GroupOf(wish.goal);
  return ThreadOrdinal() % group_count_;
}

// Up to `want` blocks leave the count, `keep_back` of them stay; returns how many.
uint64_t FreeSpace::Claim(uint64_t want, uint64_t keep_back) {
  uint64_t free = free_.load(std::memory_order_relaxed);
  for (;;) {
    if (free <= keep_back) return 0;
    const uint64_t claimed = std::min(want, free - keep_back);
    if (free_.compare_exchange_weak(free, free - claimed, std::memory_order_relaxed)) {
      return claimed;
    }
  }
}

// Takes what `search` finds in the group. The claim comes first and under the group's mutex, so the
// count never promises a block that is not in an index.
template <typename Search>
Result<std::optional<BlockRun>> FreeSpace::TakeFrom(uint64_t number, const SpaceWish& wish,
                                                    Search&& search) {
  Group& group = groups_[number];
  absl::MutexLock lock(&group.mutex);
  HOLDFAST_TRY(KnowLocked(group, number));
  std::optional<BlockRun> found = search(*group.index);
  if (!found) return std::nullopt;
  const uint64_t claimed = Claim(found->length.value(), wish.keep_back.value());
  if (claimed == 0 || (wish.exact && claimed < wish.want.value())) {
    free_.fetch_add(claimed, std::memory_order_relaxed);
    return Fail(ENOSPC);
  }
  found->length = BlockCount(claimed);
  group.index->Take(*found);
  group.free.fetch_sub(claimed, std::memory_order_relaxed);
  return found;
}

// The first group, in order from the goal's, that has such a run.
Result<std::optional<BlockRun>> FreeSpace::TakeAtLeast(const SpaceWish& wish, uint64_t at_least) {
  const uint64_t first = FirstGroup(wish);
  for (uint64_t i = 0; i < group_count_; ++i) {
    const uint64_t number = first + i < group_count_ ? first + i : first + i - group_count_;
    if (groups_[number].free.load(std::memory_order_relaxed) < at_least) continue;
    HOLDFAST_ASSIGN(const auto found, TakeFrom(number, wish, [&](FreeIndex& index) {
                      return index.Find(wish.want, BlockCount(at_least), wish.goal);
                    }));
    if (found) return found;
  }
  return std::nullopt;
}

Result<BlockRun> FreeSpace::Take(const SpaceWish& wish) {
  assert(wish.want > BlockCount(0));
  HOLDFAST_TRY(Count());
  const uint64_t want = std::min(wish.want.value(), group_blocks_);
  if (wish.exact && want < wish.want.value()) return Fail(ENOSPC);
  const bool at_goal = wish.goal != Pfn(0) && medium_.Contains(wish.goal, BlockCount(1));
  if (at_goal && !wish.exact && want < FreeIndex::kChunkBlocks) {
    // Going on where the goal is, even with less than all, makes no new extent.
    HOLDFAST_ASSIGN(const auto found, TakeFrom(GroupOf(wish.goal), wish, [&](FreeIndex& index) {
                      return index.RunAt(wish.goal, BlockCount(want));
                    }));
    if (found) return *found;
  }
  // All of it; or else an aligned piece of a large run; or else anything.
  const std::array<uint64_t, 3> steps = {want, std::min(want, FreeIndex::kChunkBlocks), 1};
  const size_t step_count = wish.exact ? 1 : steps.size();
  while (free() > wish.keep_back) {
    for (size_t i = 0; i < step_count; ++i) {
      if (i > 0 && steps[i] == steps[i - 1]) continue;
      HOLDFAST_ASSIGN(const auto found, TakeAtLeast(wish, steps[i]));
      if (found) return *found;
    }
    if (wish.exact && want > 1) break;
    // Free blocks moved between groups while this looked: they are somewhere, look again.
  }
  return Fail(ENOSPC);
}

void FreeSpace::Put(BlockRun run) {
  Group& group = groups_[GroupOf(run.start)];
  absl::MutexLock lock(&group.mutex);
  assert(group.index);
  group.index->Put(run);
  group.free.fetch_add(run.length.value(), std::memory_order_relaxed);
  free_.fetch_add(run.length.value(), std::memory_order_relaxed);
}

BlockCount FreeSpace::free() const { return BlockCount(free_.load(std::memory_order_relaxed)); }

BlockCount FreeSpace::FreeInGroup(uint64_t group) const {
  return BlockCount(groups_[group].free.load(std::memory_order_relaxed));
}

bool FreeSpace::IsFileRun(BlockRun run) const {
  const Superblock& superblock = medium_.superblock();
  if (run.length == BlockCount(0) || !medium_.Contains(run.start, run.length)) return false;
  const uint64_t number = GroupOf(run.start);
  if (number != GroupOf(run.end() - BlockCount(1))) return false;
  const BlockRun journal{Pfn(superblock.journal_start),
                         BlockCount(uint64_t{superblock.lane_count} * superblock.lane_blocks)};
  const Pfn superblock_copy(superblock.block_count - 1);
  return run.start >= groups_[number].layout.first_usable && run.end() <= superblock_copy &&
         !run.Overlaps(journal);
}

bool FreeSpace::IsAllocatable(BlockRun run) const {
  const BlockRun first_inodes{Pfn(medium_.superblock().inode_cluster0), BlockCount(kClusterBlocks)};
  return IsFileRun(run) && !run.Overlaps(first_inodes);
}

}  // namespace holdfast::fsmeta
