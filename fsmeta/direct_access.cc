// SPDX-License-Identifier: Apache-2.0
// Leases, layouts and pins on files.
#include "fsmeta/direct_access.h"

#include <sys/stat.h>

#include <algorithm>

namespace holdfast::fsmeta {
namespace {

// Bytes to whole blocks; EINVAL for what no file can have.
Result<FileRange> WholeBlocks(uint64_t offset, uint64_t length) {
  if (length == 0 || offset > kMaxFileSize || length > kMaxFileSize - offset) return Fail(EINVAL);
  return FileRange{FileBlockOf(offset), FileBlockCeil(offset + length)};
}

LayoutPiece PieceOf(const daxcore::LayoutExtent& extent) {
  LayoutPiece piece{.file_offset = ByteOffset(extent.index), .length = Bytes(extent.length)};
  // Unwritten pages would read as what they held before: their holder sees a hole.
  if (extent.state != daxcore::ExtentState::kWritten) return piece;
  piece.region_offset = ByteOffset(extent.pfn);
  piece.state = extent.shared ? LayoutPiece::State::kShared : LayoutPiece::State::kWritten;
  return piece;
}

}  // namespace

Result<FileRange> DirectAccess::RangeInFile(LiveInode& inode, uint64_t offset, uint64_t length) {
  HOLDFAST_ASSIGN(const FileRange range, WholeBlocks(offset, length));
  absl::ReaderMutexLock meta(&inode.meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), inode.ino));
  if (!S_ISREG(slot->mode)) return Fail(S_ISDIR(slot->mode) ? EISDIR : EINVAL);
  if (range.end > FileBlockCeil(slot->size)) return Fail(EINVAL);
  return range;
}

// The I/O lock keeps the extents as they were prepared until the lease stands.
Result<daxcore::LeaseId> DirectAccess::Lease(const OpContext& op, Ino ino,
                                             const daxcore::Holder& holder, const LeaseWish& wish) {
  const auto inside = volume_.gate().Enter();
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::WriterMutexLock io(&inode.io);
  HOLDFAST_ASSIGN(const FileRange range, RangeInFile(inode, wish.offset, wish.length));
  if (wish.write) HOLDFAST_TRY(data_.PrepareForStores(op, inode, range));
  const daxcore::LeaseRequest request{
      .holder = holder, .range = range, .write = wish.write, .exclusive = wish.exclusive};
  absl::ReaderMutexLock layout(&inode.layout.layout_lock());
  return FileData::WithAttempt(op, [&](daxcore::BreakAttempt& attempt) {
    inode.layout.layout_lock().AssertReaderHeld();
    return volume_.layouts().Lease(inode.layout, request, attempt);
  });
}

Result<std::vector<LayoutPiece>> DirectAccess::Layout(Ino ino, daxcore::SessionId session,
                                                      daxcore::LeaseId lease, uint64_t offset,
                                                      uint64_t length, size_t max) {
  const auto inside = volume_.gate().Enter();
  const InodeRef ref = volume_.live().Get(ino);
  absl::ReaderMutexLock layout(&ref->layout.layout_lock());
  if (length == 0) {
    absl::ReaderMutexLock meta(&ref->meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
    length = slot->size - std::min(slot->size, offset);
  }
  HOLDFAST_ASSIGN(const FileRange range, WholeBlocks(offset, length));
  HOLDFAST_ASSIGN(const std::vector<daxcore::LayoutExtent> extents,
                  volume_.layouts().MapExtents(ref->layout, session, lease, range, max, mapper_));
  std::vector<LayoutPiece> pieces(extents.size());
  std::ranges::transform(extents, pieces.begin(), PieceOf);
  return pieces;
}

Result<void> DirectAccess::Return(Ino ino, daxcore::SessionId session, daxcore::LeaseId lease,
                                  uint64_t offset, uint64_t length) {
  FileRange range = daxcore::kWholeFile;
  if (length != 0) {
    HOLDFAST_ASSIGN(range, WholeBlocks(offset, length));
  }
  const InodeRef ref = volume_.live().Get(ino);
  return volume_.layouts().Return(ref->layout, session, lease, range);
}

// A change that is parked holds no lock: a pin waits only for one that is under way (L4).
Result<daxcore::PinId> DirectAccess::Pin(const OpContext& op, Ino ino,
                                         const daxcore::Holder& holder, const PinWish& wish) {
  const auto inside = volume_.gate().Enter();
  const InodeRef ref = volume_.live().Get(ino);
  if (!wish.write) return PinPrepared(*ref, holder, wish);
  // As for a lease: the blocks stay the file's own until the pin stands.
  absl::WriterMutexLock io(&ref->io);
  HOLDFAST_ASSIGN(const FileRange range, RangeInFile(*ref, wish.offset, wish.length));
  HOLDFAST_TRY(data_.PrepareForStores(op, *ref, range));
  return PinPrepared(*ref, holder, wish);
}

Result<daxcore::PinId> DirectAccess::PinPrepared(LiveInode& inode, const daxcore::Holder& holder,
                                                 const PinWish& wish) {
  absl::ReaderMutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(const FileRange range, RangeInFile(inode, wish.offset, wish.length));
  const daxcore::PinRequest request{
      .holder = holder, .range = range, .write = wish.write, .long_term = wish.long_term};
  HOLDFAST_ASSIGN(const daxcore::PinGrant grant,
                  volume_.layouts().Pin(inode.layout, request, mapper_));
  return grant.id;
}

Result<void> DirectAccess::Unpin(Ino ino, daxcore::SessionId session, daxcore::PinId pin) {
  const InodeRef ref = volume_.live().Get(ino);
  return volume_.layouts().Unpin(ref->layout, session, pin);
}

void DirectAccess::CloseSession(Ino ino, daxcore::SessionId session) {
  const InodeRef ref = volume_.live().Find(ino);
  if (ref) volume_.layouts().CloseSession(ref->layout, session);
}

Result<std::vector<daxcore::LayoutManager::PageRun>> DirectAccess::Pages(Ino ino, uint64_t offset,
                                                                         uint64_t length) {
  if (length == 0) length = kMaxFileSize - std::min(offset, kMaxFileSize);
  HOLDFAST_ASSIGN(const FileRange range, WholeBlocks(offset, length));
  const InodeRef ref = volume_.live().Get(ino);
  return volume_.layouts().Pages(ref->layout, range);
}

}  // namespace holdfast::fsmeta
