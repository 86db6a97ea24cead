// SPDX-License-Identifier: Apache-2.0
// Who owns a run of blocks: a record of the reverse map.
#pragma once

#include <cstdint>

#include "fsmeta/allocator.h"
#include "fsmeta/btree.h"

namespace holdfast::fsmeta {

/// One owner of a run of blocks: the same words as one extent of that inode.
struct Owner {
  BlockRun run;
  Ino ino;
  FileBlock file_block;
  uint32_t flags = 0;  ///< kExtent*
  auto operator<=>(const Owner&) const = default;
};

/// The record of a kReverseMap tree that means this owner, and what a record says, unchecked.
TreeRecord ToTreeRecord(const Owner& owner);
Owner ToOwner(const TreeRecord& record);

}  // namespace holdfast::fsmeta
