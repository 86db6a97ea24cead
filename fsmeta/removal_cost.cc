// SPDX-License-Identifier: Apache-2.0
// Adding up what the parts of a removal cost at most.
#include "fsmeta/removal_cost.h"

#include "fsmeta/btree.h"

namespace holdfast::fsmeta {
namespace {

// A run of bits and the free count: one line of the bitmap for 512 blocks, a header for each of its
// blocks, two lines of the group header.
uint64_t BitmapLines(uint64_t blocks) {
  return blocks / (kLine * 8) + 2 + blocks / kBitsPerBitmapBlock + 2 + 2;
}

// With the nodes that come and go; each may be in a group of its own.
uint64_t EraseLines(uint32_t height) {
  return TreeCosts::EraseLines(height) + TreeCosts::EraseNodes(height) * BitmapLines(1);
}
uint64_t InsertLines(uint32_t height) {
  return TreeCosts::InsertLines(height) + TreeCosts::InsertNodes(height) * BitmapLines(1);
}

// Cutting off a part may move a record (at worst an erase and an insert) and add another.
uint64_t UnmapLines(uint32_t height, bool whole) {
  return EraseLines(height) + (whole ? 0 : 2 * InsertLines(height + 1));
}

}  // namespace

Result<RemovalCost> CostOfRemoval(Transaction& tx, const SpaceTools& tools, const InodeSlot& slot,
                                  const Extent& extent, bool whole) {
  const uint64_t group = tools.allocator.GroupOf(extent.run.start);
  HOLDFAST_TRY(tx.Lock({ResourceClass::kGroup, group}));
  HOLDFAST_ASSIGN(const GroupHeader* header, tools.allocator.ReadGroup(tx, group));
  constexpr uint64_t kSlotLines = kSlotBytes / kLine;
  constexpr uint64_t kGroupHeaderLines = 2;
  RemovalCost cost{.unmap = kSlotLines + kGroupHeaderLines +
                            UnmapLines(slot.extents.height, whole) +
                            UnmapLines(header->reverse_map.height, whole),
                   .release = BitmapLines(extent.length().value())};
  const uint32_t height = header->refcounts.height;
  if (height != 0) {
    HOLDFAST_ASSIGN(const auto pieces, tools.refcounts.Lookup(tx, extent.run));
    // Each piece changes a record, and those at the edges are split.
    cost.release += pieces.size() * (EraseLines(height) + BitmapLines(1)) +
                    2 * InsertLines(height + 1) + kGroupHeaderLines;
  }
  return cost;
}

}  // namespace holdfast::fsmeta
