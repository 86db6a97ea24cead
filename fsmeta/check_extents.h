// SPDX-License-Identifier: Apache-2.0
// The extents of an inode that may be damaged.
#pragma once

#include "absl/functional/function_ref.h"
#include "fsmeta/check_state.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// Sums over the sound extents of an inode.
struct ExtentTotals {
  uint64_t extents = 0;
  uint64_t blocks = 0;
  uint64_t end = 0;  ///< file block after the last extent
  uint64_t unwritten = 0;
};

/// True for files whose blocks are metadata: directories and the filesystem's own files.
bool HoldsMetadata(const InodeSlot& slot);

/// Checks the extents of a slot in whatever form it keeps them, and claims their blocks and the
/// blocks of the tree.
ExtentTotals ClaimExtents(CheckState& state, const InodeSlot& slot);

/// Why there can be no such extent in any file; null if there can.
const char* FaultInExtent(const CheckImage& image, const ExtentRecord& extent);

/// Calls `fn` with the sound extents in order, in whatever form the slot keeps them. `report` may
/// be null. `on_node` as for WalkTree.
void ScanExtents(CheckImage& image, CheckReport* report, const InodeSlot& slot, OnTreeNode on_node,
                 absl::FunctionRef<void(const ExtentRecord&)> fn);

/// The sound extents in order, nothing reported or claimed again. Each lies in one group.
void ForEachSoundExtent(CheckState& state, const InodeSlot& slot,
                        absl::FunctionRef<void(const ExtentRecord&)> fn);

/// Calls `fn` with file block and place of each block of a file of metadata that nobody has looked
/// at before (a second look is reported).
void ForEachMetadataBlock(CheckState& state, const InodeSlot& slot,
                          absl::FunctionRef<void(uint64_t, Pfn)> fn);

}  // namespace holdfast::fsmeta
