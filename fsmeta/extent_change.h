// SPDX-License-Identifier: Apache-2.0
// Changing extents with the reverse map and the slot's block count in step.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/extent_records.h"

namespace holdfast::fsmeta {

/// The changes that ExtentMap is made of. Lives inside one transaction, belongs to its thread;
/// after an error the transaction must be aborted.
class ExtentChange {
 public:
  ExtentChange(Transaction& tx, const SpaceTools& tools, InodeSlot* slot, AllocFor purpose)
      : tx_(tx),
        tools_(tools),
        slot_(slot),
        purpose_(purpose),
        records_(tx, tools.allocator, slot, purpose) {}

  /// Maps a hole, as part of the neighbours where they continue each other.
  Result<void> Map(const Extent& extent);
  /// Unmaps the part `cut` of `whole`, which stands in the map.
  Result<void> Unmap(const Extent& whole, const Extent& cut);
  /// Makes two extents of the one that goes over `at`, if there is one.
  Result<void> SplitAt(FileBlock at);
  /// Makes one extent of the two that meet at `at`, if they continue each other.
  Result<void> MergeAt(FileBlock at);
  /// Moves what begins at or after `from` by `delta`, extents and reverse map.
  Result<void> Shift(FileBlock from, int64_t delta);

  /// The first extent that ends after `block`.
  Result<std::optional<Extent>> Next(FileBlock block) const;

 private:
  Result<void> Add(const Extent& extent);
  Result<void> Drop(const Extent& extent);
  Result<void> Change(const Extent& was, const Extent& now);
  Owner OwnerOf(const Extent& extent) const;

  Transaction& tx_;
  const SpaceTools& tools_;
  InodeSlot* const slot_;
  const AllocFor purpose_;
  ExtentRecords records_;
};

}  // namespace holdfast::fsmeta
