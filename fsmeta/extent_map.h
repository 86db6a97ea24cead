// SPDX-License-Identifier: Apache-2.0
// The extents of one inode: a few inline in its slot, then a tree. "Where are the bytes."
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/extent.h"
#include "fsmeta/refcounts.h"
#include "fsmeta/reverse_map.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Everything that the data and the directory code need to change about blocks.
struct SpaceTools {
  Allocator& allocator;
  Refcounts& refcounts;
  ReverseMap& reverse_map;
};

/// Reads and changes the extents of an inode slot. Stateless; the caller holds the inode's metadata
/// lock (shared to read, exclusive to change) and passes the slot: the medium's, or the
/// transaction's copy. Every change keeps `blocks` of the slot and the reverse map in step, merges
/// neighbours that continue each other (same flags, same group), converts inline <-> tree as
/// needed (back to inline when few remain), and sees its own edits in the transaction. Bitmap and
/// refcounts are the caller's business. Changes take kGroup locks through the transaction
/// (ERESTART); after an error the transaction must be aborted. EUCLEAN: the medium is unsound.
/// Every extent handed out was checked: it lies inside one group and below kMaxFileBlocks. To walk
/// over extents without a callback see ExtentCursor (extent_cursor.h). Reading allocates nothing.
class ExtentMap {
 public:
  explicit ExtentMap(SpaceTools tools) : tools_(tools) {}

  /// The extent that holds `block`; or, if it is a hole, nothing.
  Result<std::optional<Extent>> Find(MetaReader& reader, const InodeSlot& slot,
                                     FileBlock block) const;
  /// The first extent that ends after `block` (it may begin before it).
  Result<std::optional<Extent>> Next(MetaReader& reader, const InodeSlot& slot,
                                     FileBlock block) const;
  /// The last extent that begins before `block`.
  Result<std::optional<Extent>> Before(MetaReader& reader, const InodeSlot& slot,
                                       FileBlock block) const;
  /// Each extent that overlaps [from, to), whole (not clipped), in order until `fn` returns false.
  Result<void> ForEach(MetaReader& reader, const InodeSlot& slot, FileBlock from, FileBlock to,
                       absl::FunctionRef<bool(const Extent&)> fn) const;

  /// Maps `extent` into a hole. The range must be a hole (else EUCLEAN). EFBIG beyond
  /// kMaxFileBlocks.
  Result<void> Insert(Transaction& tx, InodeSlot* slot, const Extent& extent,
                      AllocFor purpose) const;
  /// Unmaps what is mapped in [from, to), splitting at the edges; adds what was unmapped (clipped)
  /// to `out`. Handles at most `max_extents` pieces and returns the file block up to which the
  /// range is now a hole (`to` when done). May use the reserve.
  Result<FileBlock> Remove(Transaction& tx, InodeSlot* slot, FileBlock from, FileBlock to,
                           size_t max_extents, std::vector<Extent>* out) const;
  /// As Remove, with as many pieces as the transaction's record has room for in a lane together
  /// with what releasing them costs (ReleaseExtents), one at least. For chains of transactions.
  Result<FileBlock> RemoveFitting(Transaction& tx, InodeSlot* slot, FileBlock from, FileBlock to,
                                  std::vector<Extent>* out) const;
  /// Sets or clears kExtentUnwritten on what is mapped in [from, to), splitting at the edges.
  Result<void> SetUnwritten(Transaction& tx, InodeSlot* slot, FileBlock from, FileBlock to,
                            bool unwritten, AllocFor purpose) const;
  /// Moves every extent at or after `from` by `delta` blocks (collapse < 0, insert > 0), O(extents
  /// moved), in this one transaction. The target range must be a hole (EINVAL); the extent that
  /// straddles `from` is split first. EFBIG: an extent would pass kMaxFileBlocks.
  Result<void> Shift(Transaction& tx, InodeSlot* slot, FileBlock from, int64_t delta,
                     AllocFor purpose) const;

  const SpaceTools& tools() const { return tools_; }

 private:
  SpaceTools tools_;
};

/// Drops one owner of each extent: refcounts go down, blocks without an owner are freed. Returns
/// the runs freed, through `freed` if given (layout and quarantine want to know).
Result<void> ReleaseExtents(Transaction& tx, const SpaceTools& tools,
                            std::span<const Extent> extents, std::vector<BlockRun>* freed);

}  // namespace holdfast::fsmeta
