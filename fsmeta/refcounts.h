// SPDX-License-Identifier: Apache-2.0
// Reference counts of shared extents: one tree per group, only counts of two and more are stored.
#pragma once

#include "absl/container/inlined_vector.h"
#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A piece of a run with one reference count (>= 1).
struct CountedRun {
  BlockRun run;
  uint32_t count;
  auto operator<=>(const CountedRun&) const = default;
};

/// The record of a kRefcount tree that means this, and what a record says, unchecked.
TreeRecord ToTreeRecord(const CountedRun& counted);
CountedRun ToCountedRun(const TreeRecord& record);

/// Reference counts of data blocks. Stateless over the groups' kRefcount trees; takes kGroup locks
/// through the transaction (ERESTART). Thread-safe. Runs never cross a group. An allocated block
/// without a record counts one. Neighbouring records of equal count are kept merged. EUCLEAN: the
/// run is none, or a record on the medium is unsound.
class Refcounts {
 public:
  explicit Refcounts(Allocator& allocator) : allocator_(allocator) {}

  /// One more owner for each block of `run`. EMLINK when a count would pass 2^32 - 1.
  Result<void> Increment(Transaction& tx, BlockRun run, AllocFor purpose);
  /// One owner less; returns the parts that now have none (the caller frees or quarantines them).
  Result<absl::InlinedVector<BlockRun, 2>> Decrement(Transaction& tx, BlockRun run);
  /// Splits `run` by count. Given a transaction, takes the group's lock; otherwise the caller holds
  /// it.
  Result<absl::InlinedVector<CountedRun, 2>> Lookup(Transaction& tx, BlockRun run) const;
  Result<absl::InlinedVector<CountedRun, 2>> Lookup(MetaReader& reader, BlockRun run) const;
  /// The longest leading part of `run` with one and the same count, which may go on behind it. No
  /// lock, no allocation: as above the caller holds the group's lock.
  Result<CountedRun> LookupFirst(MetaReader& reader, BlockRun run) const;

 private:
  Result<void> CheckRun(BlockRun run) const;

  Allocator& allocator_;
};

}  // namespace holdfast::fsmeta
