// SPDX-License-Identifier: Apache-2.0
// The arithmetic of group layouts.
#include "fsmeta/group_layout.h"

#include <algorithm>

namespace holdfast::fsmeta {

using daxcore::BlockCount;
using daxcore::Pfn;

GroupLayout LayoutOfGroup(const Superblock& superblock, uint64_t index) {
  const uint64_t start = index * superblock.group_blocks;
  const uint64_t blocks = std::min(superblock.group_blocks, superblock.block_count - start);
  const Pfn header(start + (index == 0 ? 1 : 0));
  const Pfn bitmap = header + BlockCount(1);
  const BlockCount bitmap_blocks(BitmapBlocksFor(blocks));
  return {Pfn(start), BlockCount(blocks), header, bitmap, bitmap_blocks, bitmap + bitmap_blocks};
}

}  // namespace holdfast::fsmeta
