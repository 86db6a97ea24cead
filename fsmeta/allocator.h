// SPDX-License-Identifier: Apache-2.0
// Block allocation: per-group bitmaps on the medium, free-space indexes in DRAM.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/container/inlined_vector.h"
#include "daxcore/result.h"
#include "fsmeta/block_run.h"
#include "fsmeta/btree.h"
#include "fsmeta/format.h"
#include "fsmeta/free_space.h"
#include "fsmeta/group_bitmap.h"
#include "fsmeta/journal.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// What an allocation is for: who may dig into the reserve that keeps removal possible.
enum class AllocFor {
  kData,      ///< file data: never the reserve
  kMetadata,  ///< growth of metadata: never the reserve
  kRemoval,   ///< metadata an operation needs in order to free something: the reserve too
};

/// Free-space totals for statfs. `available` excludes the reserve; quarantined and lent blocks are
/// not free.
struct SpaceTotals {
  BlockCount total;
  BlockCount free;
  BlockCount available;
};

/// Runs of blocks, in ascending order.
using BlockRuns = absl::InlinedVector<BlockRun, 4>;

/// Changes the bitmaps through transactions, and keeps the free space that DRAM knows in step with
/// them. Thread-safe. Blocks taken by a transaction are out of reach for others at once and come
/// back if it aborts; blocks freed by one can be handed out again only after its commit. A block
/// that is referenced but belongs to no file (rule L11) is simply never freed here until the last
/// reference is gone. Survives a crash: the bitmaps and the groups' counts only.
///
/// Whatever fails with anything but ENOSPC may leave the transaction half changed: abort it. After
/// ENOSPC it is as it was before the call and may go on.
class Allocator : public SpillSource {
 public:
  explicit Allocator(Medium& medium) : medium_(medium), space_(medium) {}

  /// One run of up to `want` (> 0) blocks, at least one (ENOSPC otherwise). Near `goal` if it is
  /// not 0; runs of 512 blocks or more start on a 2 MiB boundary while such runs exist, smaller
  /// ones fill holes. With `exact`, all `want` blocks in one run or ENOSPC. Takes the kGroup lock
  /// of the group that has the run, which may answer ERESTART.
  Result<BlockRun> Allocate(Transaction& tx, BlockCount want, Pfn goal, AllocFor purpose,
                            bool exact = false);
  /// Runs that add up to `want` (> 0), all or ENOSPC. Locks as Allocate.
  Result<BlockRuns> AllocateAll(Transaction& tx, BlockCount want, Pfn goal, AllocFor purpose);
  /// Clears the bits. EUCLEAN: a block is already free, outside the filesystem or of the
  /// filesystem's own fixed metadata, or the run leaves its group; then nothing was changed. Free
  /// for others after the commit. Takes the kGroup lock.
  Result<void> Free(Transaction& tx, BlockRun run);

  /// Group of a block; block and group are inside the filesystem in all of these.
  uint64_t GroupOf(Pfn pfn) const { return space_.GroupOf(pfn); }
  uint64_t group_count() const { return space_.group_count(); }
  /// Can `run`, which may come from the medium, be part of a file? It is not empty, lies in one
  /// group and outside of superblocks, group headers, bitmaps and journal lanes.
  bool IsFileRun(BlockRun run) const { return space_.IsFileRun(run); }
  /// The group's header to change; takes its kGroup lock. EUCLEAN: no such group.
  Result<GroupHeader*> EditGroup(Transaction& tx, uint64_t group);
  /// The loaded group header (a transaction sees its edits). The caller holds the group's lock.
  Result<const GroupHeader*> ReadGroup(MetaReader& reader, uint64_t group) const;

  /// For statfs: right at all times; adds up the group headers at first use, O(groups) once.
  Result<SpaceTotals> Totals();
  /// Is [run] entirely allocated on the medium? (fsck, assertions) The caller holds the group's
  /// lock.
  Result<bool> IsAllocated(MetaReader& reader, BlockRun run) const;

  Result<Spill> Borrow(BlockCount n) override;
  void Return(const Spill& spill) override;

  /// The oracle of rule L11: tells whether anybody may touch a run. It is asked of every run before
  /// it is handed out; if it ever says yes that is a bug, which is counted, and the run stays out
  /// of reach. Set it before the first allocation.
  void set_oracle(std::function<bool(BlockRun)> is_referenced) {
    is_referenced_ = std::move(is_referenced);
  }
  /// How often the oracle said yes. Zero unless there is a bug.
  uint64_t oracle_hits() const { return oracle_hits_.load(std::memory_order_relaxed); }

  /// For tests of rule L11: called with every run handed out, lent ones included, before anybody
  /// can use it, from the thread that asked. Set it before the first allocation.
  void set_observer(std::function<void(BlockRun)> observer) { observer_ = std::move(observer); }

 private:
  Result<BlockRun> TakeRun(BlockCount want, Pfn goal, AllocFor purpose, bool exact);
  bool IsUsable(BlockRun run);
  void GiveBack(BlockRun run);
  Result<void> MarkTaken(Transaction& tx, BlockRun run);
  GroupBitmap BitmapOf(BlockRun run) const;
  Result<void> CheckFreeable(BlockRun run) const;

  Medium& medium_;
  FreeSpace space_;
  std::function<void(BlockRun)> observer_;
  std::function<bool(BlockRun)> is_referenced_;
  std::atomic<uint64_t> oracle_hits_{0};
};

/// NodeSpace over an allocator: nodes near `goal`.
class AllocatorNodeSpace : public NodeSpace {
 public:
  AllocatorNodeSpace(Allocator& allocator, Pfn goal, AllocFor purpose)
      : allocator_(allocator), goal_(goal), purpose_(purpose) {}
  Result<Pfn> AllocateNode(Transaction& tx) override;
  Result<void> FreeNode(Transaction& tx, Pfn node) override;

 private:
  Allocator& allocator_;
  Pfn goal_;
  AllocFor purpose_;
};

}  // namespace holdfast::fsmeta
