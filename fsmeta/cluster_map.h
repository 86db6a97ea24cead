// SPDX-License-Identifier: Apache-2.0
// Where the inode clusters are: the extents of the inode file, remembered in DRAM.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Inode numbers are below this.
inline constexpr uint64_t kMaxInodes = uint64_t{1} << 40;

/// The blocks of one cluster, its head first.
using ClusterBlocks = std::array<Pfn, kClusterBlocks>;

/// Owns the places of the clusters, 8 bytes each, found in the inode file's extents when first
/// asked for; finding a known one is two loads. Thread-safe. Rebuilt at each mount as needed.
///
/// The inode file's extents are read without a resource lock. That is sound because they change
/// only in `Grow`, and before the first of these since the mount all places are learned,
/// O(extents).
class ClusterMap {
 public:
  ClusterMap(Medium& medium, const ExtentMap& extents);
  ~ClusterMap();

  /// Block `block` (< kClusterBlocks) of cluster number `cluster`. ESTALE: past the end of the
  /// inode file as `reader` sees it. EUCLEAN: the inode file is unsound.
  Result<Pfn> BlockOf(MetaReader& reader, uint64_t cluster, uint64_t block);
  /// Number of clusters, as `reader` sees it.
  Result<uint64_t> End(const MetaReader& reader);

  /// The inode file's own slot.
  ObjectId SlotOfInodeFile() const;
  /// Adds the next cluster: maps `blocks` in the inode file and makes it longer. Visible for others
  /// after the commit. The caller holds the kInodeFile lock through `tx`.
  Result<void> Grow(Transaction& tx, const ClusterBlocks& blocks);

 private:
  static constexpr uint64_t kSegment = 4096;  // clusters
  using Place = std::atomic<uint64_t>;
  using Segment = std::array<Place, kSegment>;

  Result<uint64_t> CommittedEnd();
  Place& PlaceOf(uint64_t cluster);
  void Publish(uint64_t cluster, const ClusterBlocks& blocks);
  Result<ClusterBlocks> Find(uint64_t cluster);
  Result<void> LearnAll();
  Result<void> LearnAllLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<void> MapBlocks(Transaction& tx, uint64_t cluster, const ClusterBlocks& blocks);

  Medium& medium_;
  const ExtentMap& extents_;
  const uint64_t most_clusters_;
  std::vector<std::atomic<Segment*>> segments_;
  std::atomic<uint64_t> end_{0};  // clusters that are committed; 0: not read yet
  // The transaction that grows the file, and the end as it sees it. At most one: kInodeFile.
  std::atomic<const MetaReader*> growing_{nullptr};
  std::atomic<uint64_t> growing_end_{0};

  absl::Mutex mutex_;
  bool all_known_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex memory_mutex_;
  std::vector<std::unique_ptr<Segment>> owned_segments_ ABSL_GUARDED_BY(memory_mutex_);
  std::vector<std::unique_ptr<const ClusterBlocks>> scattered_ ABSL_GUARDED_BY(memory_mutex_);
};

}  // namespace holdfast::fsmeta
