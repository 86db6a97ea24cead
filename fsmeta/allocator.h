// SPDX-License-Identifier: Apache-2.0
// Block allocation: per-group bitmaps on the medium, free-space indexes in DRAM.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "daxcore/result.h"
#include "fsmeta/btree.h"
#include "fsmeta/format.h"
#include "fsmeta/journal.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A run of blocks, all in one group.
struct BlockRun {
  Pfn start;
  BlockCount length;
  auto operator<=>(const BlockRun&) const = default;
};

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

/// Owns the DRAM free-space indexes (built per group at first use from its bitmap) and changes the
/// bitmaps through transactions. Thread-safe. Blocks freed by a transaction can be handed out again
/// only after its commit; blocks taken by one return to the index if it aborts. Survives a crash:
/// the bitmaps and the groups' counts only.
class Allocator : public SpillSource {
 public:
  explicit Allocator(Medium& medium);
  ~Allocator() override;

  /// One run of up to `want` blocks, at least one (ENOSPC otherwise). Near `goal` if it is not 0;
  /// runs of 512 blocks or more start on a 2 MiB boundary while such runs exist, smaller ones fill
  /// holes. With `exact`, all `want` blocks in one run or ENOSPC. Takes kGroup locks.
  Result<BlockRun> Allocate(Transaction& tx, BlockCount want, Pfn goal, AllocFor purpose,
                            bool exact = false);
  /// Runs that add up to `want`, all or ENOSPC.
  Result<absl::InlinedVector<BlockRun, 4>> AllocateAll(Transaction& tx, BlockCount want, Pfn goal,
                                                       AllocFor purpose);
  /// Clears the bits; EUCLEAN if a block is already free. Free for others after the commit.
  Result<void> Free(Transaction& tx, BlockRun run);
  /// The blocks stay allocated on the medium and out of reach (quarantine) or come back from it:
  /// quarantined blocks are freed with `Free` as any others.

  /// Group of a block, and the loaded group header (sees the transaction's edits).
  uint64_t GroupOf(Pfn pfn) const;
  uint64_t group_count() const;
  /// The group's header to change; takes its kGroup lock.
  Result<GroupHeader*> EditGroup(Transaction& tx, uint64_t group);
  Result<const GroupHeader*> ReadGroup(MetaReader& reader, uint64_t group) const;

  /// Adds up the group headers at first use, then kept in step with commits. O(groups) once.
  Result<SpaceTotals> Totals();
  /// Is [run] entirely allocated on the medium? (fsck, assertions)
  Result<bool> IsAllocated(MetaReader& reader, BlockRun run) const;

  Result<Spill> Borrow(BlockCount n) override;
  void Return(const Spill& spill) override;

 private:
  struct State;
  Medium& medium_;
  std::unique_ptr<State> state_;
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
