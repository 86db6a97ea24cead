// SPDX-License-Identifier: Apache-2.0
// Free space of all groups as DRAM knows it: what may be handed out, and how much of it there is.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "fsmeta/block_run.h"
#include "fsmeta/free_index.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// What to look for.
struct SpaceWish {
  BlockCount want;          ///< > 0
  bool exact = false;       ///< all of it in one run
  Pfn goal{0};              ///< 0 = anywhere
  BlockCount keep_back{0};  ///< free blocks that must remain
};

/// Owns the free-space indexes of the groups, each built from its bitmap when it is first needed,
/// and the counts of free blocks. A block is in an index while it is free on the medium and neither
/// taken by a transaction that has not ended nor lent. Thread-safe; takes no resource locks: a
/// bitmap changes only after its index was built (callers see to that with `Know`), so building
/// reads what nobody is changing. Nothing of it survives a crash.
class FreeSpace {
 public:
  explicit FreeSpace(Medium& medium);
  ~FreeSpace();

  uint64_t group_count() const { return group_count_; }
  const GroupLayout& layout(uint64_t group) const { return groups_[group].layout; }
  uint64_t GroupOf(Pfn pfn) const { return pfn.value() / group_blocks_; }

  /// Reads all group headers, once. Before the first header is changed. EUCLEAN: one is impossible.
  Result<void> Count();
  /// Builds the group's index, once. Before the first of its bits is changed. EUCLEAN: the bitmap
  /// is impossible, or does not have as many free blocks as the header says.
  Result<void> Know(uint64_t group);

  /// Takes a run. ENOSPC if there is none (exact), or if no free block beyond `keep_back` is left.
  Result<BlockRun> Take(const SpaceWish& wish);
  /// The run of a known group is free from now on.
  void Put(BlockRun run);

  /// Free blocks; `Count` must have succeeded.
  BlockCount free() const;
  BlockCount FreeInGroup(uint64_t group) const;

  /// A run that lies in the filesystem, in one group, and touches no superblock, group header,
  /// bitmap or journal lane.
  bool IsFileRun(BlockRun run) const;
  /// Such a run that does not touch the first inode cluster either, which is never free.
  bool IsAllocatable(BlockRun run) const;

 private:
  struct Group {
    GroupLayout layout;
    absl::Mutex mutex;
    std::unique_ptr<FreeIndex> index ABSL_GUARDED_BY(mutex);  // null: not known yet
    std::atomic<uint64_t> free{0};                            // in step with the index
  };

  Result<void> CountLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(count_mutex_);
  Result<void> CheckHeader(const GroupHeader& header, uint64_t group) const;
  Result<void> KnowLocked(Group& group, uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex);
  uint64_t FirstGroup(const SpaceWish& wish) const;
  template <typename Search>
  Result<std::optional<BlockRun>> TakeFrom(uint64_t number, const SpaceWish& wish, Search&& search);
  Result<std::optional<BlockRun>> TakeAtLeast(const SpaceWish& wish, uint64_t at_least);
  uint64_t Claim(uint64_t want, uint64_t keep_back);

  Medium& medium_;
  uint64_t group_blocks_;
  uint64_t group_count_;
  std::unique_ptr<Group[]> groups_;
  std::atomic<uint64_t> free_{0};  // sum over the groups
  absl::Mutex count_mutex_;
  std::atomic<bool> counted_{false};
};

}  // namespace holdfast::fsmeta
