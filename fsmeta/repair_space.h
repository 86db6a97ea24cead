// SPDX-License-Identifier: Apache-2.0
// Where a repair finds room for what it writes anew.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/check_state.h"

namespace holdfast::fsmeta {

/// Owns two bits a block: what is held by something that was found, and what the old bitmap calls
/// used. Gives out blocks that are neither, then those that nobody was found to hold. A block that
/// anything of the damaged filesystem refers to is never given out, so a repair that is interrupted
/// has overwritten nothing that the next one needs. One thread.
class RepairSpace {
 public:
  explicit RepairSpace(uint64_t blocks);

  /// Nobody gets these blocks. Parts outside the filesystem are ignored.
  void Hold(uint64_t start, uint64_t length);
  /// The same for every claim and everything that was looked at.
  void HoldAll(const Claims& claims);
  /// To be given out only when nothing else is left.
  void HoldBack(uint64_t start, uint64_t length);

  /// A block to write; ENOSPC with a line for the user.
  daxcore::Result<daxcore::Pfn> Allocate();
  /// Was this block given out?
  bool IsFresh(daxcore::Pfn block) const { return fresh_.contains(block.value()); }

 private:
  using Bits = std::vector<uint64_t>;
  static void Set(Bits& bits, uint64_t start, uint64_t end);
  uint64_t NextClear(bool with_marked);

  const uint64_t blocks_;
  Bits held_;
  Bits marked_;
  uint64_t next_ = 0;         // no block below it is clear in both
  uint64_t next_marked_ = 0;  // no block below it is clear in held_
  absl::flat_hash_set<uint64_t> fresh_;
};

}  // namespace holdfast::fsmeta
