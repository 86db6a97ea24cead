// SPDX-License-Identifier: Apache-2.0
// Learning the places of inode clusters, and adding clusters.
#include "fsmeta/cluster_map.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "fsmeta/inode_cluster.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kClusterBytes = kClusterBlocks * kMetadataBlock;
constexpr uint64_t kScattered = 1;  // in a place: it is a pointer to ClusterBlocks

bool InOnePiece(const ClusterBlocks& blocks) {
  for (uint64_t i = 1; i < kClusterBlocks; ++i) {
    if (blocks[i] != blocks[0] + BlockCount(i)) return false;
  }
  return true;
}

FileBlock HeadBlock(uint64_t cluster) { return FileBlock(cluster * kClusterBlocks); }

std::unexpected<Error> Unsound(uint64_t cluster, const char* why) {
  return Fail(EUCLEAN,
              absl::StrCat("inode file, cluster ", cluster, ": ", why, "; run fsck.holdfast"));
}

}  // namespace

ClusterMap::ClusterMap(Medium& medium, const ExtentMap& extents)
    : medium_(medium),
      extents_(extents),
      most_clusters_(
          std::min(medium.blocks().value() / kClusterBlocks, kMaxInodes / kInodesPerCluster)),
      segments_(most_clusters_ / kSegment + 1) {
  ClusterBlocks first;
  for (uint64_t i = 0; i < kClusterBlocks; ++i) {
    first[i] = Pfn(medium.superblock().inode_cluster0) + BlockCount(i);
  }
  Publish(0, first);
}

ClusterMap::~ClusterMap() = default;

ObjectId ClusterMap::SlotOfInodeFile() const {
  return SlotId(Pfn(medium_.superblock().inode_cluster0), Ino(kInoInodeFile));
}

// The inode file's slot is read once, before the first growth can change it.
Result<uint64_t> ClusterMap::CommittedEnd() {
  const uint64_t known = end_.load(std::memory_order_acquire);
  if (known != 0) return known;
  absl::MutexLock lock(&mutex_);
  if (end_.load(std::memory_order_relaxed) == 0) {
    HOLDFAST_ASSIGN(const void* loaded, medium_.Load(SlotOfInodeFile()));
    const auto& slot = *static_cast<const InodeSlot*>(loaded);
    const uint64_t clusters = slot.size / kClusterBytes;
    if (slot.size % kClusterBytes != 0 || clusters == 0 || clusters > most_clusters_) {
      return Fail(EUCLEAN, absl::StrCat("inode file: its size ", slot.size,
                                        " is not possible; run "
                                        "fsck.holdfast"));
    }
    end_.store(clusters, std::memory_order_release);
  }
  return end_.load(std::memory_order_relaxed);
}

Result<uint64_t> ClusterMap::End(const MetaReader& reader) {
  if (growing_.load(std::memory_order_acquire) == &reader) {
    return growing_end_.load(std::memory_order_relaxed);
  }
  return CommittedEnd();
}

ClusterMap::Place& ClusterMap::PlaceOf(uint64_t cluster) {
  std::atomic<Segment*>& segment = segments_[cluster / kSegment];
  Segment* known = segment.load(std::memory_order_acquire);
  if (known == nullptr) {
    absl::MutexLock lock(&memory_mutex_);
    known = segment.load(std::memory_order_relaxed);
    if (known == nullptr) {
      known = owned_segments_.emplace_back(std::make_unique<Segment>()).get();
      segment.store(known, std::memory_order_release);
    }
  }
  return (*known)[cluster % kSegment];
}

void ClusterMap::Publish(uint64_t cluster, const ClusterBlocks& blocks) {
  uint64_t place = blocks[0].value() << 1;
  if (!InOnePiece(blocks)) {
    absl::MutexLock lock(&memory_mutex_);
    scattered_.push_back(std::make_unique<const ClusterBlocks>(blocks));
    place = reinterpret_cast<uintptr_t>(scattered_.back().get()) | kScattered;
  }
  PlaceOf(cluster).store(place, std::memory_order_release);
}

Result<Pfn> ClusterMap::BlockOf(MetaReader& reader, uint64_t cluster, uint64_t block) {
  assert(block < kClusterBlocks);
  HOLDFAST_ASSIGN(const uint64_t end, End(reader));
  if (cluster >= end) return Fail(ESTALE);
  const uint64_t place = PlaceOf(cluster).load(std::memory_order_acquire);
  if (place == 0) [[unlikely]] {
    HOLDFAST_ASSIGN(const ClusterBlocks found, Find(cluster));
    return found[block];
  }
  if ((place & kScattered) == 0) return Pfn(place >> 1) + BlockCount(block);
  return (*reinterpret_cast<const ClusterBlocks*>(place & ~kScattered))[block];
}

// Reads the extents that map one cluster.
Result<ClusterBlocks> ClusterMap::Find(uint64_t cluster) {
  absl::ReaderMutexLock lock(&mutex_);
  if (all_known_) return Unsound(cluster, "it is not mapped");
  HOLDFAST_ASSIGN(const void* loaded, medium_.Load(SlotOfInodeFile()));
  const auto& slot = *static_cast<const InodeSlot*>(loaded);
  ClusterBlocks blocks;
  for (uint64_t i = 0; i < kClusterBlocks;) {
    const FileBlock at = HeadBlock(cluster) + BlockCount(i);
    HOLDFAST_ASSIGN(const auto extent, extents_.Find(medium_, slot, at));
    if (!extent) return Unsound(cluster, "it is not mapped");
    for (; i < kClusterBlocks && HeadBlock(cluster) + BlockCount(i) < extent->end(); ++i) {
      blocks[i] = extent->run.start + (HeadBlock(cluster) + BlockCount(i) - extent->file_block);
    }
  }
  Publish(cluster, blocks);
  return blocks;
}

Result<void> ClusterMap::LearnAll() {
  HOLDFAST_TRY(CommittedEnd());
  absl::MutexLock lock(&mutex_);
  if (all_known_) return {};
  return LearnAllLocked();
}

Result<void> ClusterMap::LearnAllLocked() {
  HOLDFAST_ASSIGN(const void* loaded, medium_.Load(SlotOfInodeFile()));
  const auto& slot = *static_cast<const InodeSlot*>(loaded);
  const FileBlock end = HeadBlock(end_.load(std::memory_order_relaxed));
  FileBlock next(0);
  ClusterBlocks blocks;
  HOLDFAST_TRY(extents_.ForEach(medium_, slot, FileBlock(0), end, [&](const Extent& extent) {
    if (extent.file_block != next) return false;
    for (; next < extent.end() && next < end; next += BlockCount(1)) {
      const uint64_t i = next.value() % kClusterBlocks;
      blocks[i] = extent.run.start + (next - extent.file_block);
      const uint64_t cluster = next.value() / kClusterBlocks;
      if (i + 1 == kClusterBlocks && PlaceOf(cluster).load(std::memory_order_relaxed) == 0) {
        Publish(cluster, blocks);
      }
    }
    return true;
  }));
  if (next < end) return Unsound(next.value() / kClusterBlocks, "it is not mapped");
  all_known_ = true;
  return {};
}

// One extent for each piece.
Result<void> ClusterMap::MapBlocks(Transaction& tx, uint64_t cluster, const ClusterBlocks& blocks) {
  HOLDFAST_ASSIGN(void* edited, tx.Edit(SlotOfInodeFile()));
  auto* slot = static_cast<InodeSlot*>(edited);
  const Allocator& allocator = extents_.tools().allocator;
  for (uint64_t i = 0; i < kClusterBlocks;) {
    uint64_t n = 1;
    while (i + n < kClusterBlocks && blocks[i + n] == blocks[i] + BlockCount(n) &&
           allocator.GroupOf(blocks[i + n]) == allocator.GroupOf(blocks[i])) {
      ++n;
    }
    const Extent piece{HeadBlock(cluster) + BlockCount(i), {blocks[i], BlockCount(n)}, 0};
    HOLDFAST_TRY(extents_.Insert(tx, slot, piece, AllocFor::kMetadata));
    i += n;
  }
  slot->size = (cluster + 1) * kClusterBytes;
  return {};
}

Result<void> ClusterMap::Grow(Transaction& tx, const ClusterBlocks& blocks) {
  HOLDFAST_TRY(LearnAll());
  HOLDFAST_ASSIGN(const uint64_t cluster, End(tx));
  if (cluster >= most_clusters_) return Fail(ENOSPC);
  HOLDFAST_TRY(MapBlocks(tx, cluster, blocks));
  Publish(cluster, blocks);
  growing_end_.store(cluster + 1, std::memory_order_relaxed);
  growing_.store(&tx, std::memory_order_release);
  tx.OnAbort([this, cluster] {
    growing_.store(nullptr, std::memory_order_release);
    PlaceOf(cluster).store(0, std::memory_order_release);
  });
  tx.OnCommit([this, cluster] {
    end_.store(cluster + 1, std::memory_order_release);
    growing_.store(nullptr, std::memory_order_release);
  });
  return {};
}

}  // namespace holdfast::fsmeta
