// SPDX-License-Identifier: Apache-2.0
// What direct clients ask for: leases, layouts under them, pins (design section 5).
#pragma once

#include <cstdint>
#include <vector>

#include "daxcore/layout.h"
#include "fsmeta/attributes.h"
#include "fsmeta/file_data.h"
#include "fsmeta/file_extent_mapper.h"
#include "fsmeta/layout_piece.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// A lease as a client asks for it. Bytes; the range is widened to whole blocks.
struct LeaseWish {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool write = false;
  bool exclusive = false;
};

/// A pin as a client asks for it. Bytes; the range is widened to whole blocks.
struct PinWish {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool write = false;
  bool long_term = false;
};

/// The bridge between files and daxcore's layouts: it prepares ranges for their holders and answers
/// "where are the bytes". Thread-safe; takes the inode's locks itself, in the order of LOCKING.md.
/// The inode is kept in core by the caller's open handle. Ranges: EINVAL if empty, overflowing, or
/// ending past the last block of the file; files: EISDIR, EINVAL for what has no data. Whatever may
/// have to wait can be blocked; EINTR, EAGAIN, EBUSY, ENOSPC (limits) as daxcore's LayoutManager
/// says. What survives a crash: that a process may hold pages of an inode (L11), nothing else.
class DirectAccess {
 public:
  /// `volume` outlives it.
  explicit DirectAccess(Volume& volume) : volume_(volume), data_(volume), mapper_(volume) {}

  /// A write lease first gives its range blocks of its own, written ones: no hole, nothing shared
  /// (ENOSPC: no lease; part of the range may have got blocks). EROFS then.
  Result<daxcore::LeaseId> Lease(const OpContext& op, Ino ino, const daxcore::Holder& holder,
                                 const LeaseWish& wish);
  /// The layout of [offset, offset + length) under a lease, at most `max` pieces from its start;
  /// length 0 = to the end of the file. What it shows as written is mapped by the holder from now
  /// on; anything else is shown as a hole. ENOENT, ESTALE.
  Result<std::vector<LayoutPiece>> Layout(Ino ino, daxcore::SessionId session,
                                          daxcore::LeaseId lease, uint64_t offset, uint64_t length,
                                          size_t max);
  /// Gives back a part of a lease, in whole blocks, or all of it (length 0). Never waits. ENOENT.
  Result<void> Return(Ino ino, daxcore::SessionId session, daxcore::LeaseId lease, uint64_t offset,
                      uint64_t length);
  /// Pins all blocks of a range, or none: ENXIO for a hole. EOPNOTSUPP: rule L12. A pin for stores
  /// prepares its range first, as a write lease does.
  Result<daxcore::PinId> Pin(const OpContext& op, Ino ino, const daxcore::Holder& holder,
                             const PinWish& wish);
  /// ENOENT. Never waits.
  Result<void> Unpin(Ino ino, daxcore::SessionId session, daxcore::PinId pin);
  /// Everything held through `session` on the inode is returned. Never waits, never fails.
  void CloseSession(Ino ino, daxcore::SessionId session);
  /// The entries of [offset, offset + length) of a file with the state of their pages; length 0 =
  /// to the end of all files. EINVAL.
  Result<std::vector<daxcore::LayoutManager::PageRun>> Pages(Ino ino, uint64_t offset,
                                                             uint64_t length);

 private:
  Result<daxcore::PinId> PinPrepared(LiveInode& inode, const daxcore::Holder& holder,
                                     const PinWish& wish);
  /// The whole blocks of a range of bytes inside the file.
  Result<FileRange> RangeInFile(LiveInode& inode, uint64_t offset, uint64_t length);

  Volume& volume_;
  FileData data_;
  FileExtentMapper mapper_;
};

}  // namespace holdfast::fsmeta
