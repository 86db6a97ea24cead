// SPDX-License-Identifier: Apache-2.0
// Where an allocation group's own metadata lies; follows from the superblock alone.
#pragma once

#include <cstdint>

#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// One group: [start, start + blocks), its header, then its bitmap, then blocks to give away.
struct GroupLayout {
  daxcore::Pfn start;
  daxcore::BlockCount blocks;
  daxcore::Pfn header;
  daxcore::Pfn bitmap;
  daxcore::BlockCount bitmap_blocks;
  daxcore::Pfn first_usable;
};

/// Bitmap blocks that `blocks` blocks need.
constexpr uint64_t BitmapBlocksFor(uint64_t blocks) {
  return (blocks + kBitsPerBitmapBlock - 1) / kBitsPerBitmapBlock;
}

/// Layout of group `index` (< group_count) of a sound superblock. Group 0 begins with the
/// superblock; its journal and first inode cluster are among the blocks after `first_usable`.
GroupLayout LayoutOfGroup(const Superblock& superblock, uint64_t index);

}  // namespace holdfast::fsmeta
