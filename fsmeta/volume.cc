// SPDX-License-Identifier: Apache-2.0
// Opening a volume: superblock, journal, parts.
#include "fsmeta/volume.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_format.h"
#include "daxcore/event_loop.h"
#include "fsmeta/inode_eviction.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

// Live records can only be applied by whoever may write.
Result<uint64_t> ReplayJournal(Medium& medium) {
  auto replayed = Journal::Replay(medium);
  if (!replayed && replayed.error().code == EROFS) {
    return Fail(EROFS,
                absl::StrFormat("region %s was not unmounted cleanly and its journal must be "
                                "replayed, but it cannot be written; mount it once writable",
                                medium.region().path()));
  }
  return replayed;
}

}  // namespace

Result<std::unique_ptr<Volume>> Volume::Open(std::unique_ptr<Region> region,
                                             const MountOptions& options) {
  std::unique_ptr<Volume> volume(new Volume);
  volume->options_ = options;
  volume->region_ = std::move(region);
  HOLDFAST_TRY(volume->OpenMedium());
  HOLDFAST_TRY(volume->OpenParts());
  HOLDFAST_TRY(volume->OpenLayouts());
  Volume* self = volume.get();
  volume->live_ = std::make_unique<LiveInodes>(
      *volume->layouts_, [self](LiveInode& inode) { EvictInode(*self, inode); });
  return volume;
}

Volume::~Volume() = default;

Result<void> Volume::OpenMedium() {
  HOLDFAST_ASSIGN(Superblock superblock, ReadSuperblock(*region_));
  const bool read_only = options_.read_only || region_->read_only();
  if (!read_only) HOLDFAST_TRY(fsmeta::CheckWritable(superblock, region_->path()));
  Medium before_mount(*region_, superblock);
  HOLDFAST_ASSIGN(const uint64_t replayed, ReplayJournal(before_mount));
  if (replayed != 0) {
    spdlog::info("region {}: replayed {} transactions", region_->path(), replayed);
  }
  if (!read_only) superblock = RecordMount(*region_, superblock);
  medium_ = std::make_unique<Medium>(*region_, superblock);
  medium_->set_read_only(read_only);
  return {};
}

Result<void> Volume::OpenParts() {
  HOLDFAST_ASSIGN(journal_, Journal::Open(*medium_));
  runner_ = std::make_unique<TransactionRunner>(*medium_, *journal_);
  allocator_ = std::make_unique<Allocator>(*medium_);
  journal_->set_spill_source(allocator_.get());
  refcounts_ = std::make_unique<Refcounts>(*allocator_);
  reverse_map_ = std::make_unique<ReverseMap>(*allocator_);
  extents_ = std::make_unique<ExtentMap>(space());
  inodes_ = std::make_unique<InodeTable>(*medium_, *extents_);
  orphans_ = std::make_unique<Orphans>(*medium_, *inodes_, *extents_);
  HOLDFAST_ASSIGN(pending_orphans_, orphans_->Load());
  return {};
}

Result<void> Volume::OpenLayouts() {
  HOLDFAST_ASSIGN(pages_, daxcore::PageTable::Create(region_->blocks(), Geometry()));
  HOLDFAST_ASSIGN(timer_, daxcore::EventLoop::Start());
  daxcore::LayoutManager::Options layout;
  layout.policy = options_.layout;
  layout.quarantine_ino = Ino(kInoQuarantine);
  layout.events = options_.events;
  HOLDFAST_ASSIGN(layouts_, daxcore::LayoutManager::Create(*pages_, *timer_, layout));
  return {};
}

daxcore::PageOrder Volume::Geometry() const {
  switch (medium_->superblock().geometry_shift) {
    case 30:
      return daxcore::PageOrder::k1G;
    case 21:
      return daxcore::PageOrder::k2M;
    default:
      return daxcore::PageOrder::k4K;
  }
}

Result<void> Volume::CheckWritable() const {
  if (medium_->is_shut_down()) return Fail(EIO, medium_->shutdown_reason());
  if (medium_->read_only()) return Fail(EROFS);
  return {};
}

}  // namespace holdfast::fsmeta
