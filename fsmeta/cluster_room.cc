// SPDX-License-Identifier: Apache-2.0
// Learning free slots cluster by cluster, and choosing where an inode goes.
#include "fsmeta/cluster_room.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace holdfast::fsmeta {

using daxcore::Result;

ClusterRoom::ClusterRoom(uint32_t streams) : streams_(streams), stream_clusters_(streams, kNone) {}

void ClusterRoom::SetEnd(uint64_t clusters) {
  absl::MutexLock lock(&mutex_);
  if (!free_slots_.empty()) return;
  free_slots_.assign(clusters, kUnknown);
  unknown_end_ = clusters;
}

void ClusterRoom::AddEmpty(uint64_t cluster, uint32_t stream) {
  absl::MutexLock lock(&mutex_);
  assert(cluster == free_slots_.size());
  free_slots_.push_back(kInodesPerCluster);
  free_ += kInodesPerCluster;
  LeaveLocked(stream);
  stream_clusters_[stream] = cluster;
}

Result<void> ClusterRoom::Know(uint64_t cluster, ReadFree read) {
  absl::MutexLock lock(&mutex_);
  // A cluster that is being added is not counted yet, and nobody else can change it.
  if (cluster >= free_slots_.size()) return {};
  return KnowLocked(cluster, read);
}

Result<void> ClusterRoom::KnowLocked(uint64_t cluster, ReadFree read) {
  if (free_slots_[cluster] != kUnknown) return {};
  HOLDFAST_ASSIGN(const uint32_t free, read(cluster));
  free_slots_[cluster] = static_cast<uint8_t>(free);
  free_ += free;
  if (free > 0) roomy_.insert(cluster);
  return {};
}

Result<bool> ClusterRoom::KnowMore(uint64_t most, ReadFree read) {
  absl::MutexLock lock(&mutex_);
  if (unknown_end_ == 0) return false;
  for (uint64_t i = 0; i < most && unknown_end_ > 0; ++i) {
    HOLDFAST_TRY(KnowLocked(unknown_end_ - 1, read));
    --unknown_end_;
  }
  return true;
}

bool ClusterRoom::IsUsedLocked(uint64_t cluster) const {
  return std::ranges::find(stream_clusters_, cluster) != stream_clusters_.end();
}

void ClusterRoom::LeaveLocked(uint32_t stream) {
  const uint64_t cluster = std::exchange(stream_clusters_[stream], kNone);
  if (cluster != kNone && free_slots_[cluster] > 0) roomy_.insert(cluster);
}

std::optional<uint64_t> ClusterRoom::NearestLocked(uint64_t near,
                                                   std::span<const uint64_t> except) const {
  const auto allowed = [&](uint64_t cluster) {
    return std::ranges::find(except, cluster) == except.end();
  };
  auto after = roomy_.lower_bound(near);
  auto before = after;
  while (after != roomy_.end() && !allowed(*after)) ++after;
  while (before != roomy_.begin()) {
    if (allowed(*--before)) {
      const bool nearer = after == roomy_.end() || near - *before < *after - near;
      return nearer ? *before : *after;
    }
  }
  if (after == roomy_.end()) return std::nullopt;
  return *after;
}

std::optional<uint64_t> ClusterRoom::Choose(uint32_t stream, uint64_t near,
                                            std::span<const uint64_t> except, bool any) {
  absl::MutexLock lock(&mutex_);
  const auto usable = [&](uint64_t cluster) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return cluster != kNone && free_slots_[cluster] > 0 &&
           std::ranges::find(except, cluster) == except.end();
  };
  if (usable(stream_clusters_[stream])) return stream_clusters_[stream];
  if (const auto nearest = NearestLocked(near, except)) {
    LeaveLocked(stream);
    roomy_.erase(*nearest);
    stream_clusters_[stream] = *nearest;
    return nearest;
  }
  if (!any) return std::nullopt;
  const auto other = std::ranges::find_if(stream_clusters_, usable);
  return other == stream_clusters_.end() ? std::nullopt : std::optional(*other);
}

void ClusterRoom::Change(uint64_t cluster, int by) {
  absl::MutexLock lock(&mutex_);
  assert(cluster < free_slots_.size() && free_slots_[cluster] != kUnknown);
  assert(by > 0 ? free_slots_[cluster] < kInodesPerCluster : free_slots_[cluster] > 0);
  free_slots_[cluster] = static_cast<uint8_t>(free_slots_[cluster] + by);
  free_ = by > 0 ? free_ + 1 : free_ - 1;
  if (free_slots_[cluster] == 0) {
    roomy_.erase(cluster);
  } else if (!IsUsedLocked(cluster)) {
    roomy_.insert(cluster);
  }
}

uint64_t ClusterRoom::free() const {
  absl::MutexLock lock(&mutex_);
  return free_;
}

}  // namespace holdfast::fsmeta
