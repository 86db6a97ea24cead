// SPDX-License-Identifier: Apache-2.0
// The data of regular files: reading, writing, and everything that changes extents or size.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "fsmeta/attributes.h"
#include "fsmeta/byte_span.h"
#include "fsmeta/data_store.h"
#include "fsmeta/file_edit.h"
#include "fsmeta/layout_piece.h"
#include "fsmeta/volume.h"
#include "fsmeta/write_landing.h"
#include "fsmeta/write_plan.h"

namespace holdfast::fsmeta {

/// The operations of class Filesystem on data; their contracts are there. Keeps only a reference to
/// the volume. Thread-safe: each operation takes the locks of its inodes itself, in the order of
/// LOCKING.md (I/O, layout, metadata). What survives a crash is what a returned operation did; one
/// that was interrupted happened as a whole or not at all, except that a write in place may have
/// changed any part of its range.
///
/// Errors of all operations: EISDIR for a directory, EINVAL for anything else that is not a regular
/// file, EFBIG past kMaxFileSize, EROFS, ESTALE for an inode that is gone, EUCLEAN, EIO. Those that
/// take an OpContext can be blocked, having changed nothing.
class FileData {
 public:
  explicit FileData(Volume& volume) : volume_(volume), store_(volume.failure()) {}

  Result<void> Read(Ino ino, uint64_t offset, uint64_t length,
                    absl::FunctionRef<void(std::span<const iovec>)> reply);
  Result<uint64_t> Write(const OpContext& op, Ino ino, uint64_t offset,
                         std::span<const std::byte> data, bool kill_suid_sgid);
  Result<uint64_t> WriteBack(const OpContext& op, Ino ino, uint64_t offset,
                             std::span<const std::byte> data);
  /// Truncates or extends.
  Result<void> SetSize(const OpContext& op, Ino ino, uint64_t size, bool kill_suid_sgid);
  Result<void> Allocate(const OpContext& op, Ino ino, int mode, uint64_t offset, uint64_t length);
  Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence);
  Result<uint64_t> CopyRange(const OpContext& op, Ino source, uint64_t source_offset,
                             Ino destination, uint64_t destination_offset, uint64_t length);
  Result<void> Reflink(const OpContext& op, Ino source, uint64_t source_offset, Ino destination,
                       uint64_t destination_offset, uint64_t length);
  Result<std::vector<LayoutPiece>> Layout(Ino ino, uint64_t offset, uint64_t length, size_t max);

  /// Goes on with a truncation that a crash interrupted; nothing if there is none.
  Result<void> FinishTruncate(Ino ino);
  /// Frees every block of a regular file that is dying, in as many transactions as it takes; never
  /// waits (rule L10: what is busy goes to quarantine). The caller then frees
  /// the inode.
  Result<void> ReleaseAll(LiveInode& inode);

  /// For a client that is going to store to `range` itself: afterwards every block of it is a
  /// written one of this file alone, and at a geometry of 2 MiB they can be mapped in units of that
  /// as far as there is room. EINVAL past the last block of the file; ENOSPC: a part of the range
  /// may be so already, which no reader can tell. Can be blocked.
  Result<void> PrepareForStores(const OpContext& op, LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  /// Calls `fn(BreakAttempt&)` with the request's attempt, or with one that never waits.
  template <typename F>
  static auto WithAttempt(const OpContext& op, F&& fn) {
    if (op.attempt != nullptr) return fn(*op.attempt);
    BreakAttempt impatient;
    impatient.NeverWait();
    return fn(impatient);
  }

 private:
  /// What an operation learns of a file before it changes it.
  struct FileState {
    uint64_t size = 0;
    bool may_share = false;
  };
  using Pieces = absl::InlinedVector<iovec, 16>;
  /// One write: what, and how each piece of it is done.
  struct WriteJob {
    WriteData data;
    bool kill_suid_sgid = false;
    WritePlan plan;
  };

  // -- The frame of every change (file_data.cc).

  /// For operations with which the kernel leaves it to us to take setuid and setgid away: it knows
  /// capabilities, we know root.
  static bool LosesPrivileges(const OpContext& op) { return op.caller.uid != 0; }

  /// The slot of a regular file. The caller holds the metadata lock.
  Result<const InodeSlot*> ReadRegular(LiveInode& inode);
  /// First step of every change: may the file be changed? Finishes what a crash left undone.
  Result<FileState> Survey(LiveInode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  /// Makes `range` safe to change (L7), flushes what clients stored there, forgets its entries.
  /// O(1) where nobody ever mapped the file.
  Result<BrokenLayout> Break(const OpContext& op, LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.layout.layout_lock());
  /// Recalls the leases that a local write to `range` collides with (L1).
  Result<void> RecallForWrite(const OpContext& op, LiveInode& inode, FileRange range);
  /// As Break, for what must not wait: busy blocks are for quarantine at once (L10).
  Result<BrokenLayout> BreakAtOnce(LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.layout.layout_lock());
  BrokenLayout Unmapped(LiveInode& inode, FileRange range, BreakOutcome outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.layout.layout_lock());
  BrokenLayout Forgotten(LiveInode& inode, FileRange range, BreakOutcome outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.layout.layout_lock());
  /// After each transaction that followed a Break, with the metadata lock dropped.
  void Settle(LiveInode& inode, const BrokenLayout& broken, bool committed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.layout.layout_lock());

  /// `body(FileEdit&)` as one transaction.
  template <typename F>
  std::invoke_result_t<F, FileEdit&> RunEdit(LiveInode& inode, BrokenLayout* broken, F&& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io) {
    absl::WriterMutexLock meta(&inode.meta);
    return volume_.transactions().Run([&](Transaction& tx) -> std::invoke_result_t<F, FileEdit&> {
      HOLDFAST_ASSIGN(FileEdit edit, FileEdit::Begin(volume_, tx, inode, broken));
      return body(edit);
    });
  }
  /// `body(FileEdit&)` as one transaction, with the layout over `range` broken.
  template <typename F>
  Result<void> Change(const OpContext& op, LiveInode& inode, FileRange range, F&& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io) {
    absl::MutexLock layout(&inode.layout.layout_lock());
    HOLDFAST_ASSIGN(BrokenLayout broken, Break(op, inode, range));
    auto done = RunEdit(inode, &broken, body);
    Settle(inode, broken, done.has_value());
    return done;
  }

  // -- Reading (file_read.cc).

  /// Where the bytes of `span` are; holes and unwritten blocks are in the area of zeroes.
  Result<void> Locate(const InodeSlot& slot, ByteSpan span, Pieces* pieces);

  // -- Writing (file_write.cc).

  Result<uint64_t> WriteLocked(const OpContext& op, LiveInode& inode, ByteSpan span,
                               std::span<const iovec> pieces, bool kill_suid_sgid)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  /// The blocks that a write may take away from the file; empty if none.
  FileRange ReplacedBy(const WriteJob& job, const FileState& state) const;
  Result<void> WriteInPlace(LiveInode& inode, const WriteJob& job)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<uint64_t> WriteWithChange(LiveInode& inode, const WriteJob& job, BrokenLayout* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<uint64_t> WriteUpTo(FileEdit& edit, const WriteJob& job, BlockCount limit);

  // -- Truncating (file_truncate.cc).

  Result<void> Shrink(const OpContext& op, LiveInode& inode, uint64_t old_size, uint64_t size,
                      bool kill_suid_sgid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  /// The file ends at `size` now: `also` and as much of the dropping as fits go into the first
  /// transaction; false: the rest is left for DropPastEnd, or for whoever finds the file next. An
  /// error before that transaction's commit changes nothing.
  Result<bool> CutAt(LiveInode& inode, uint64_t size, BrokenLayout* broken,
                     absl::FunctionRef<Result<void>(FileEdit&)> also)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io, inode.layout.layout_lock());
  /// Drops every block past the end of the file, in a chain of transactions.
  Result<void> DropPastEnd(LiveInode& inode, BrokenLayout* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io, inode.layout.layout_lock());
  Result<void> FinishTruncateLocked(LiveInode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);

  // -- Allocating and freeing inside (file_allocate.cc, file_shift.cc, file_unshare.cc).

  Result<void> Preallocate(const OpContext& op, LiveInode& inode, ByteSpan span, bool keep_size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> Punch(const OpContext& op, LiveInode& inode, ByteSpan span)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> ZeroRange(const OpContext& op, LiveInode& inode, ByteSpan span, bool keep_size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> Collapse(const OpContext& op, LiveInode& inode, ByteSpan span)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> InsertRange(const OpContext& op, LiveInode& inode, ByteSpan span)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> Unshare(const OpContext& op, LiveInode& inode, ByteSpan span, bool keep_size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> UnshareBlocks(const OpContext& op, LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<std::vector<FileRange>> SharedParts(LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> CopyShared(LiveInode& inode, std::span<const FileRange> shared, BrokenLayout* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io, inode.layout.layout_lock());

  /// The parts of `range` without written blocks (file_stores.cc).
  Result<std::vector<FileRange>> UnwrittenParts(LiveInode& inode, FileRange range);
  /// Gives `range` written blocks of zeroes where it has none.
  Result<void> FillWithZeroes(LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  Result<void> FillStep(FileEdit& edit, FileRange step);
  /// Moves the blocks of `range`, all written and of this file alone, to where they can be mapped
  /// in units of the region's geometry (C1); no further than there is room (file_align.cc).
  Result<void> AlignToGeometry(const OpContext& op, LiveInode& inode, FileRange range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);
  /// The parts of `range`, each inside one huge page of the file, that are not in one huge page of
  /// the region at the same place.
  Result<std::vector<FileRange>> MisplacedParts(LiveInode& inode, FileRange range);

  Result<void> ForgetSharing(LiveInode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.io);

  // -- Two files (file_reflink.cc, file_copy.cc).

  /// Makes the blocks of `to` those of the source from block `from` on.
  struct ShareJob {
    FileBlock from;
    FileRange to;
    uint64_t end;  ///< the destination reaches at least that far afterwards, bytes
  };
  Result<void> Share(const OpContext& op, LiveInode& source, LiveInode& destination,
                     const ShareJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(source.io, destination.io);
  Result<void> ShareUnmapped(const OpContext& op, LiveInode& source, LiveInode& destination,
                             const ShareJob& job, BrokenLayout* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(source.io, destination.io, destination.layout.layout_lock());
  Result<BrokenLayout> BreakForSharing(const OpContext& op, LiveInode& source, FileRange read,
                                       LiveInode& destination, FileRange changed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(destination.layout.layout_lock());
  /// As Share and WriteLocked, for the bytes `from`, to byte `to` on; return how many were done.
  Result<uint64_t> ShareSpan(const OpContext& op, LiveInode& source, ByteSpan from,
                             LiveInode& destination, uint64_t to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(source.io, destination.io);
  Result<uint64_t> CopyBytes(const OpContext& op, LiveInode& source, ByteSpan from,
                             LiveInode& destination, uint64_t to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(source.io, destination.io);

  Volume& volume_;
  DataStore store_;
};

}  // namespace holdfast::fsmeta
