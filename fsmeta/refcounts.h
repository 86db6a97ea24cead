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
};

/// Reference counts of data blocks. Stateless over the groups' kRefcount trees; takes kGroup locks
/// through the transaction. Runs never cross a group. An allocated block without a record counts
/// one. Neighbouring records of equal count are kept merged.
class Refcounts {
 public:
  explicit Refcounts(Allocator& allocator) : allocator_(allocator) {}

  /// One more owner for each block of `run`. EMLINK when a count would pass 2^32 - 1.
  Result<void> Increment(Transaction& tx, BlockRun run, AllocFor purpose);
  /// One owner less; returns the parts that now have none (the caller frees or quarantines them).
  Result<absl::InlinedVector<BlockRun, 2>> Decrement(Transaction& tx, BlockRun run);
  /// Splits `run` by count. Takes the group's lock when `reader` is a transaction the caller gives;
  /// otherwise the caller holds it.
  Result<absl::InlinedVector<CountedRun, 2>> Lookup(MetaReader& reader, BlockRun run) const;
  /// Length of the leading part of `run` with one and the same answer, and that answer: has it more
  /// than one owner?
  Result<CountedRun> LookupFirst(MetaReader& reader, BlockRun run) const;

 private:
  Allocator& allocator_;
};

}  // namespace holdfast::fsmeta
