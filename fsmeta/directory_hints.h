// SPDX-License-Identifier: Apache-2.0
// What DRAM knows of room in a directory's blocks, so that an insertion does bounded work.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "daxcore/types.h"

namespace holdfast::fsmeta {

/// Largest free record per block, learned as blocks are looked at. Only a hint: who uses it looks
/// at the block again. Guarded by the directory's metadata lock (exclusive); DRAM only, a few bytes
/// a block, gone when the directory leaves core.
class DirectoryHints {
 public:
  /// A block with a free record of at least `bytes`, as tight a fit as there is.
  std::optional<daxcore::FileBlock> BlockWithRoom(uint32_t bytes) const;
  /// The largest free record of `block` has `bytes` (0: none).
  void Learn(daxcore::FileBlock block, uint32_t bytes);
  /// `block` is no longer part of the directory.
  void Forget(daxcore::FileBlock block);

  bool Knows(daxcore::FileBlock block) const { return rooms_.contains(block.value()); }
  /// Blocks below were looked at (or were holes) since the directory came in core.
  daxcore::FileBlock cursor() const { return cursor_; }
  void set_cursor(daxcore::FileBlock block) { cursor_ = block; }
  /// No hole is known below.
  daxcore::FileBlock hole_cursor() const { return hole_cursor_; }
  void set_hole_cursor(daxcore::FileBlock block) { hole_cursor_ = block; }

 private:
  absl::flat_hash_map<uint64_t, uint32_t> rooms_;           // block -> largest free record
  absl::btree_set<std::pair<uint32_t, uint64_t>> by_room_;  // the same, without the full ones
  daxcore::FileBlock cursor_;
  daxcore::FileBlock hole_cursor_;
};

}  // namespace holdfast::fsmeta
