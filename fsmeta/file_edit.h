// SPDX-License-Identifier: Apache-2.0
// A regular file being changed inside one transaction: its slot, its extents, what leaves it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "daxcore/layout.h"
#include "daxcore/ranges.h"
#include "fsmeta/byte_span.h"
#include "fsmeta/data_store.h"
#include "fsmeta/live_inode.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// What breaking the layout of a file found (rule L14), and what the running change must therefore
/// hand to quarantine once it is committed.
struct BrokenLayout {
  FileRange range{};  ///< what was broken; empty if nobody ever mapped the file
  BreakOutcome outcome;
  std::vector<FileRun> leaving;  ///< busy blocks that left the file in the last transaction
};

/// Blocks that a file got: file blocks [start, start + run.length).
struct PlacedRun {
  FileBlock start;
  BlockRun run;
  FileBlock end() const { return start + run.length; }
};

/// The part of `extent` inside `range`, which overlaps it.
Extent Clip(const Extent& extent, const FileRange& range);

/// The bytes past the end of the file in its last block, where that is partial and written.
struct FileTail {
  FileBlock block;
  uint64_t offset = 0;  ///< bytes of the region
  uint64_t length = 0;  ///< up to the end of the block
  bool ours = false;    ///< they may be changed where they are: nobody else sees them
};

/// The change of one regular file in one transaction. Made at the start of the body, so a body that
/// runs again starts afresh; belongs to the transaction's thread. The caller holds the inode's I/O
/// and metadata locks exclusively and, if blocks leave the file, its layout lock. Whatever fails
/// leaves a transaction that must be aborted. Nothing of it survives a crash but what the
/// transaction commits. It keeps the invariants of FORMAT.md, "File data".
class FileEdit {
 public:
  /// `broken` outlives the edit; null when no block can leave the file.
  static Result<FileEdit> Begin(Volume& volume, Transaction& tx, LiveInode& inode,
                                BrokenLayout* broken);

  InodeSlot* slot() const { return slot_; }
  Transaction& tx() const { return tx_; }
  bool may_share() const { return (slot_->flags & kInodeMayShare) != 0; }

  // -- Size and contents (file_edit.cc). Bytes.

  /// mtime and ctime become now; setuid, setgid and capabilities go as the caller's rights have it.
  Result<void> StampModified(bool kill_suid_sgid);
  /// The size becomes `size` if that is more. What lies past the end in the old last block, which
  /// may be anything, is made zero: in place where nobody else owns it (it is invisible until the
  /// commit), else in a copy. Comes before any other change of that block in the transaction.
  Result<void> GrowTo(uint64_t size);
  Result<std::optional<FileTail>> WrittenTail();
  /// Marks on the medium that the blocks past the end are still to be dropped / are gone.
  Result<void> BeginTruncation();
  Result<void> EndTruncation();
  /// Bytes [from, to) of one block read zero from the commit on and not before: journaled where the
  /// block may be changed in place, else in a copy of it.
  Result<void> ZeroPart(uint64_t from, uint64_t to);
  /// ZeroPart for the first and the last block of `span`, as far as it covers them partly.
  Result<void> ZeroEdges(ByteSpan span);

  // -- Space (file_edit_space.cc).

  /// Whether to fail or to stop where space ends.
  enum class Need { kAll, kWhatFits };
  /// Maps new blocks into `hole`. kWhatFits: a part from the start, perhaps nothing.
  Result<std::vector<PlacedRun>> Fill(FileRange hole, uint32_t flags, Need need = Need::kAll);
  /// As Fill, in the place of what is mapped there, whose contents the caller copies.
  Result<std::vector<PlacedRun>> Replace(FileRange mapped, Need need = Need::kAll);
  /// Unwritten blocks in `range` become written.
  Result<void> SetWritten(FileRange range);
  /// What is mapped in `range` becomes unwritten, or a hole where that must not be done to the
  /// blocks themselves.
  Result<void> SetUnwritten(FileRange range);
  /// Every hole in `range` gets unwritten blocks: all or ENOSPC.
  Result<void> FillHoles(FileRange range);
  /// Unmaps what is mapped in `range` and lets go of the blocks: they are freed, left to their
  /// other owners, or, if busy, kept for quarantine.
  Result<void> Drop(FileRange range);
  /// As Drop, as far as the record has room in its lane. Returns up to where it came (`range.end`
  /// when done).
  Result<FileBlock> DropFitting(FileRange range);
  /// Moves everything at or after `from` by `delta` blocks; where it goes to is a hole. Busy blocks
  /// stay behind: copies move. EFBIG past the largest file.
  Result<void> Shift(FileBlock from, int64_t delta);
  /// The file's blocks in `to` become those of `source` from block `from` on, which gain an owner;
  /// where the source has holes or unwritten blocks, holes. O(extents). `source` may be this file.
  Result<void> ShareFrom(FileEdit& source, FileBlock from, FileRange to);
  /// Gives the file its own copy of the written blocks in `range`, whoever has them now.
  Result<void> CopyAway(FileRange range);
  /// Moves the written blocks of `part`, which lies in one huge page of the file, to the same place
  /// in one huge page of the region. ENOSPC: there is none with room; nothing changed.
  Result<void> MoveIntoHugePage(FileRange part);
  /// The extents that overlap `range`, clipped to it, in order.
  Result<std::vector<Extent>> Mapped(FileRange range);
  /// The parts of `written` (an extent) that must not be changed where they are: they have other
  /// owners or are busy. In order, apart from each other.
  Result<std::vector<FileRange>> Untouchable(const Extent& written);

 private:
  FileEdit(Volume& volume, Transaction& tx, LiveInode& inode, BrokenLayout* broken, InodeSlot* slot)
      : volume_(volume), tx_(tx), inode_(inode), broken_(broken), slot_(slot) {}

  DataStore store() const { return DataStore(volume_.failure()); }
  const ExtentMap& extents() const { return volume_.extents(); }
  Result<std::vector<PlacedRun>> Take(FileRange range, Need need);
  Result<BlockRun> TakeRun(FileBlock at, BlockCount want, Pfn goal);
  Result<BlockRun> TakeForHugePages(FileBlock at, BlockCount want, Pfn goal);
  Result<void> Map(std::span<const PlacedRun> runs, uint32_t flags);
  Result<void> Release(std::span<const Extent> gone);
  Result<void> ReplacePart(FileBlock block, uint64_t zero_from, uint64_t zero_to);

  Volume& volume_;
  Transaction& tx_;
  LiveInode& inode_;
  BrokenLayout* broken_;
  InodeSlot* slot_;
};

}  // namespace holdfast::fsmeta
