// SPDX-License-Identifier: Apache-2.0
// Opening a volume: superblock, journal, parts.
#include "fsmeta/volume.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_format.h"
#include "daxcore/event_loop.h"
#include "daxcore/media_failure.h"
#include "fsmeta/failure_watch.h"
#include "fsmeta/inode_eviction.h"
#include "fsmeta/superblock.h"
#include "fsmeta/volume_failure_holder.h"

namespace holdfast::fsmeta {
Result<std::unique_ptr<Volume>> Volume::Open(std::unique_ptr<Region> region,
                                             const MountOptions& options) {
  std::unique_ptr<Volume> volume(new Volume);
  volume->options_ = options;
  volume->region_ = std::move(region);
  HOLDFAST_ASSIGN(volume->failure_, daxcore::MediaFailure::Watch(*volume->region_));
  auto opened = volume->OpenAll();
  // Whatever went wrong then, or seems not to have, this is why.
  if (volume->failure_->poisoned_loads() != 0) {
    return Fail(EIO, absl::StrFormat("region %s cannot be mounted: its memory has failed at offset "
                                     "%d, where there is metadata; see fsck.holdfast",
                                     volume->region_->path(), volume->failure_->poisoned_at()));
  }
  if (!opened) return Pass(std::move(opened));
  return volume;
}

Result<void> Volume::OpenAll() {
  HOLDFAST_TRY(OpenMedium());
  HOLDFAST_TRY(OpenParts());
  HOLDFAST_TRY(OpenLayouts());
  live_ = std::make_unique<LiveInodes>(*layouts_,
                                       [this](LiveInode& inode) { EvictInode(*this, inode); });
  return WatchForFailures();
}

Volume::~Volume() {
  failure_watch_.reset();
  if (failure_ != nullptr) failure_->Attach(nullptr, nullptr);
}

Result<void> Volume::OpenMedium() {
  HOLDFAST_ASSIGN(Superblock superblock, ReadSuperblock(*region_));
  if ((superblock.incompat & kIncompatRepairing) != 0) {
    return Fail(EUCLEAN, absl::StrFormat("region %s: a repair of it was interrupted; run "
                                         "fsck.holdfast -y",
                                         region_->path()));
  }
  const bool read_only = options_.read_only || region_->read_only();
  if (!read_only) {
    HOLDFAST_TRY(fsmeta::CheckWritable(superblock, region_->path()));
    HOLDFAST_TRY(CheckDurable(superblock, *region_));
  }
  Medium before_mount(*region_, superblock);
  before_mount.set_failure(failure_.get());
  HOLDFAST_TRY(Journal::Replay(before_mount));
  if (!read_only) {
    superblock =
        RecordMount(*region_, superblock, options_.boot_id.value_or(daxcore::CurrentBootId()));
  }
  medium_ = std::make_unique<Medium>(*region_, superblock);
  medium_->set_failure(failure_.get());
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
  quarantine_file_ = std::make_unique<QuarantineFile>(*medium_, *inodes_, *extents_);
  quarantine_store_ = std::make_unique<FileQuarantineStore>(*runner_, space(), *quarantine_file_);
  return {};
}

Result<void> Volume::OpenLayouts() {
  HOLDFAST_ASSIGN(pages_, daxcore::PageTable::Create(region_->blocks(), Geometry()));
  allocator_->set_oracle([pages = pages_.get()](BlockRun run) {
    return pages->NextReferenced({run.start, run.length}).has_value();
  });
  HOLDFAST_ASSIGN(timer_, daxcore::EventLoop::Start());
  daxcore::LayoutManager::Options layout;
  layout.policy = options_.layout;
  layout.quarantine_ino = Ino(kInoQuarantine);
  layout.events = options_.events;
  // What is mounted read-only changes for nobody.
  if (!medium_->read_only()) layout.store = quarantine_store_.get();
  HOLDFAST_ASSIGN(layouts_, daxcore::LayoutManager::Create(*pages_, *timer_, layout));
  return medium_->read_only() ? Result<void>() : TakeOverHolders();
}

// Before the first operation: nothing may be given away that somebody still touches (L11).
Result<void> Volume::TakeOverHolders() {
  HOLDFAST_ASSIGN(QuarantineContents left, quarantine_file_->Load());
  for (const daxcore::QuarantinedRun& run : left.runs) {
    if (!layouts_->quarantine().Restore(run)) {
      left.expired.push_back({run.pages.start, run.pages.length});
    }
  }
  HOLDFAST_TRY(quarantine_store_->ReleaseExpired(left.expired));
  for (const auto& [ino, process] : left.holders) layouts_->AdoptHolder(ino, process);
  if (!left.runs.empty() || !left.holders.empty()) {
    spdlog::info("region {}: {} processes may still touch files, {} blocks stay in quarantine",
                 region_->path(), left.holders.size(), layouts_->quarantine().blocks().value());
  }
  return {};
}

// The mount is complete: who fails from now on is told (F4).
Result<void> Volume::WatchForFailures() {
  failure_holder_ = std::make_unique<VolumeFailureHolder>(*this);
  failure_->Attach(failure_holder_.get(), layouts_.get());
  const std::vector<daxcore::ByteRange> bad = failure_->BadRanges();
  if (!bad.empty()) {
    spdlog::warn("region {}: {} ranges of its memory are bad, the first at offset {}",
                 region_->path(), bad.size(), bad.front().offset);
  }
  HOLDFAST_ASSIGN(failure_watch_, FailureWatch::Start(*failure_));
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
  HOLDFAST_TRY(medium_->CheckRunning());
  if (medium_->read_only()) return Fail(EROFS);
  return {};
}

}  // namespace holdfast::fsmeta
