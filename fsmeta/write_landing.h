// SPDX-License-Identifier: Apache-2.0
// Where the pieces of a write go: making the blocks ready in a transaction, then filling them.
#pragma once

#include <span>

#include "absl/container/inlined_vector.h"
#include "fsmeta/byte_span.h"
#include "fsmeta/data_store.h"
#include "fsmeta/file_edit.h"
#include "fsmeta/write_plan.h"

namespace holdfast::fsmeta {

/// Blocks that belong to the file and wait for the bytes of a write.
struct Landing {
  PlacedRun place;
  WriteWay way;
  Pfn old;  ///< kReplace: where the first block was
};
using Landings = absl::InlinedVector<Landing, 4>;

/// What is written, and to a file of what size.
struct WriteData {
  ByteSpan span;
  std::span<const iovec> pieces;  ///< as long as `span`
  uint64_t old_size = 0;          ///< of the file before this write, bytes
};

/// Does to the extents what `plan` says, for the blocks before `until`, and stops early where space
/// ends: the landings then cover a part from the start. Returns the block up to which they go.
Result<FileBlock> Land(FileEdit& edit, const WritePlan& plan, FileBlock until, Landings* landings);

/// Stores the bytes of `data` that go to `landing`, up to byte `end`, and completes its first and
/// last block as its way demands: what the file had there before `old_size` stays, all else that
/// becomes part of the file is zero. Needs a drain. EIO.
Result<void> FillLanding(const DataStore& store, const Landing& landing, const WriteData& data,
                         uint64_t end);

}  // namespace holdfast::fsmeta
