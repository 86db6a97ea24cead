// SPDX-License-Identifier: Apache-2.0
// The free-space bitmap of a group on the medium: runs of bits across its blocks.
#pragma once

#include <functional>

#include "daxcore/result.h"
#include "fsmeta/block_run.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/medium.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// A view of one group's bitmap blocks; keeps no state. A bit that is set is a block in use. Every
/// run passed in lies in the group (assertion). The caller holds the group's lock, except where a
/// function says otherwise.
class GroupBitmap {
 public:
  GroupBitmap(uint64_t group, const GroupLayout& layout) : group_(group), layout_(layout) {}

  /// True if every bit of `run` is `set`.
  Result<bool> AllBits(MetaReader& reader, BlockRun run, bool set) const;
  /// Changes bits that are all !`set` (the caller knows).
  Result<void> Change(Transaction& tx, BlockRun run, bool set) const;
  /// Calls `fn` with each maximal run of free blocks, in order. EUCLEAN: bits past the group's end
  /// are not set.
  Result<void> ForEachFreeRun(MetaReader& reader, const std::function<void(BlockRun)>& fn) const;

 private:
  // Bits [from, to) of one word.
  struct Piece {
    uint64_t block;  // of the bitmap
    uint64_t word;
    uint64_t mask;
  };
  template <typename F>
  Result<void> ForEachPiece(BlockRun run, F&& fn) const;
  Pfn PfnOf(uint64_t block) const { return layout_.bitmap + BlockCount(block); }

  uint64_t group_;
  GroupLayout layout_;
};

}  // namespace holdfast::fsmeta
