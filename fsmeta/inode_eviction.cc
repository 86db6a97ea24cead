// SPDX-License-Identifier: Apache-2.0
// Writing back, or deleting, an inode that leaves core.
#include "fsmeta/inode_eviction.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <vector>

#include "fsmeta/directory_hints.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/file_data.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

constexpr FileBlock kPastAllBlocks{uint64_t{1} << 52};

// True when no block is mapped any more. For directories and symlinks, whose blocks nobody maps.
Result<bool> FreeBlocks(Volume& volume, Transaction& tx, InodeSlot* slot) {
  std::vector<Extent> removed;
  HOLDFAST_ASSIGN(const FileBlock reached,
                  volume.extents().RemoveFitting(tx, slot, FileBlock(0), kPastAllBlocks, &removed));
  HOLDFAST_TRY(ReleaseExtents(tx, volume.space(), removed, nullptr));
  return reached == kPastAllBlocks;
}

// One link of the chain: frees what fits the transaction, and at last the inode. True when it is
// gone, or has a name again.
Result<bool> DeleteSome(Volume& volume, Transaction& tx, LiveInode& inode) {
  HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, inode.ino));
  if (slot->nlink != 0) return true;
  HOLDFAST_ASSIGN(const bool blocks_gone, FreeBlocks(volume, tx, slot));
  if (!blocks_gone) return false;
  HOLDFAST_ASSIGN(const bool xattrs_gone, XattrStore(volume.allocator()).FreeSome(tx, slot));
  if (!xattrs_gone) return false;
  if (DirectoryIndex::Exists(*slot)) {
    HOLDFAST_TRY(DirectoryIndex(volume.allocator(), *slot).Drop(tx, slot));
  }
  HOLDFAST_TRY(volume.orphans().Remove(tx, inode.ino, slot));
  HOLDFAST_TRY(volume.inodes().Free(tx, inode.ino));
  tx.OnCommit([&inode] {
    // The number may be used again at once; nothing of the old inode may show in the new one.
    inode.meta.AssertHeld();
    inode.hints.reset();
    absl::MutexLock lock(&inode.times_lock);
    inode.times = {};
  });
  return true;
}

Result<void> PutAway(Volume& volume, LiveInode& inode) {
  bool is_orphan = false;
  {
    absl::ReaderMutexLock lock(&inode.meta);
    const auto slot = volume.inodes().Read(volume.medium(), inode.ino);
    if (!slot) return slot.error().code == ESTALE ? Result<void>() : std::unexpected(slot.error());
    is_orphan = (*slot)->nlink == 0;
  }
  return is_orphan ? DeleteInode(volume, inode) : WriteLazyTimes(volume, inode);
}

}  // namespace

Result<void> DeleteInode(Volume& volume, LiveInode& inode) {
  bool is_file = false;
  {
    absl::ReaderMutexLock lock(&inode.meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, volume.inodes().Read(volume.medium(), inode.ino));
    if (slot->nlink != 0) return {};
    is_file = S_ISREG(slot->mode);
  }
  if (is_file) {
    HOLDFAST_TRY(FileData(volume).ReleaseAll(inode));
    // While the number is still taken: its next file must not count as held by anybody.
    volume.layouts().ForgetAdopted(inode.ino);
  }
  absl::WriterMutexLock lock(&inode.meta);
  for (bool done = false; !done;) {
    HOLDFAST_ASSIGN(done, volume.transactions().Run(
                              [&](Transaction& tx) { return DeleteSome(volume, tx, inode); }));
  }
  return {};
}

void EvictInode(Volume& volume, LiveInode& inode) {
  if (!volume.CheckWritable()) return;
  const auto done = PutAway(volume, inode);
  if (!done && !volume.medium().is_shut_down()) {
    spdlog::error("inode {}: not put away: {}", inode.ino.value(), done.error().Text());
  }
}

}  // namespace holdfast::fsmeta
