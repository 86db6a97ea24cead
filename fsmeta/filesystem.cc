// SPDX-License-Identifier: Apache-2.0
// Mounting, unmounting, and the operations that belong to no single part.
#include "fsmeta/filesystem.h"

#include <spdlog/spdlog.h>

#include "fsmeta/attribute_change.h"
#include "fsmeta/direct_access.h"
#include "fsmeta/file_data.h"
#include "fsmeta/inode_eviction.h"
#include "fsmeta/namespace.h"
#include "fsmeta/xattrs.h"

namespace holdfast::fsmeta {

Result<std::unique_ptr<Filesystem>> Filesystem::Mount(std::unique_ptr<Region> region,
                                                      const MountOptions& options) {
  std::unique_ptr<Filesystem> filesystem(new Filesystem);
  HOLDFAST_ASSIGN(filesystem->volume_, Volume::Open(std::move(region), options));
  Volume& volume = *filesystem->volume_;
  filesystem->xattrs_ = std::make_unique<Xattrs>(volume);
  filesystem->names_ = std::make_unique<Namespace>(volume);
  filesystem->data_ = std::make_unique<FileData>(volume);
  filesystem->direct_ = std::make_unique<DirectAccess>(volume);
  return filesystem;
}

Filesystem::~Filesystem() {
  if (volume_ == nullptr) return;
  const auto synced = Sync();
  if (!synced) spdlog::error("unmount: {}", synced.error().Text());
  // The kernel forgets without a word: what only it kept alive is deleted now.
  volume_->live().ForgetAll();
}

Result<void> Filesystem::Sync() {
  const auto inside = volume_->gate().Enter();
  HOLDFAST_TRY(volume_->medium().CheckRunning());
  Result<void> first;
  volume_->live().ForEach([&](LiveInode& inode) {
    auto written = WriteLazyTimes(*volume_, inode);
    if (!written && first) first = std::move(written);
  });
  return first;
}

Result<void> Filesystem::FinishOrphans() {
  const auto inside = volume_->gate().Enter();
  if (!volume_->CheckWritable()) return {};
  Result<void> first;
  for (const Ino ino : volume_->TakePendingOrphans()) {
    const InodeRef inode = volume_->live().Get(ino);
    auto done = DeleteInode(*volume_, *inode);
    if (done) done = data_->FinishTruncate(ino);
    if (done || done.error().code == ESTALE) continue;
    spdlog::error("inode {}: left from the last mount, not finished: {}", ino.value(),
                  done.error().Text());
    if (first) first = std::move(done);
  }
  return first;
}

// -- Attributes.

Result<Attributes> Filesystem::GetAttributes(Ino ino) {
  const InodeRef inode = volume_->live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_->inodes().Read(volume_->medium(), ino));
  return CurrentAttributes(*inode, *slot);
}

Result<Attributes> Filesystem::SetAttributes(const OpContext& op, Ino ino,
                                             const AttributeChange& change) {
  const auto inside = volume_->gate().Enter();
  HOLDFAST_TRY(volume_->CheckWritable());
  const InodeRef inode = volume_->live().Get(ino);
  if (change.size) HOLDFAST_TRY(data_->SetSize(op, ino, *change.size, change.kill_suid_sgid));
  if (ChangesMoreThanSize(change)) {
    absl::WriterMutexLock lock(&inode->meta);
    HOLDFAST_TRY(volume_->transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume_->inodes().Edit(tx, ino));
      return ApplyChange(*volume_, tx, *inode, slot, change, op.caller);
    }));
  }
  return GetAttributes(ino);
}

Result<StatFs> Filesystem::GetStatFs() {
  HOLDFAST_TRY(volume_->medium().CheckRunning());
  HOLDFAST_ASSIGN(const SpaceTotals space, volume_->allocator().Totals());
  HOLDFAST_ASSIGN(const InodeTable::Totals inodes, volume_->inodes().Count());
  return StatFs{.blocks = space.total.value(),
                .free = space.free.value(),
                .available = space.available.value(),
                .inodes = inodes.total,
                .free_inodes = inodes.free};
}

// -- Open files.

Result<void> Filesystem::Open(Ino ino) {
  const InodeRef inode = volume_->live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_TRY(volume_->inodes().Read(volume_->medium(), ino));
  volume_->live().AddOpen(*inode);
  return {};
}

void Filesystem::Release(Ino ino) { volume_->live().DropOpen(ino); }

Result<void> Filesystem::Fsync(Ino ino, bool data_only) {
  const auto inside = volume_->gate().Enter();
  HOLDFAST_TRY(volume_->medium().CheckRunning());
  const InodeRef inode = volume_->live().Get(ino);
  // What was written here is durable already; what clients stored to their mappings is not.
  if (!inode->layout.untouched()) {
    absl::ReaderMutexLock lock(&inode->layout.layout_lock());
    volume_->layouts().FlushDirty(inode->layout, daxcore::kWholeFile, volume_->region());
  }
  return data_only ? Result<void>() : WriteLazyTimes(*volume_, *inode);
}

}  // namespace holdfast::fsmeta
