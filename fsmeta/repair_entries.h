// SPDX-License-Identifier: Apache-2.0
// Reading directories that may be damaged, entry by entry.
#pragma once

#include <cstdint>
#include <vector>

#include "fsmeta/directory_block.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// What can be used of one block. The records' hashes and types are as they must be; their names
/// point into the image, and stay there until the block is changed.
struct FoundBlock {
  FileBlock file_block;
  Pfn at;
  std::vector<DirectoryRecord> entries;
  bool changed = false;  ///< the block does not hold exactly these entries
  uint64_t dropped = 0;  ///< entries that were there and cannot be kept
  bool unsound = false;  ///< the block as a whole is not to be trusted
};

/// Every block of a directory, holes left out. Of a sound block all entries are kept whose name is
/// possible and whose inode exists; of an unsound one those which prove themselves: name and hash
/// agree, and type and inode. A name is kept once.
std::vector<FoundBlock> FindEntries(RepairState& state, const InodeSlot& slot);

}  // namespace holdfast::fsmeta
