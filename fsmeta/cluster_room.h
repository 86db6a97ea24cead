// SPDX-License-Identifier: Apache-2.0
// Which inode clusters have free slots, as far as DRAM knows, and who allocates from which.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// Owns the counts of free slots, a byte a cluster, learned from the clusters' heads when needed.
/// Thread-safe. Directories are dealt out to a few *streams*; each stream allocates from a cluster
/// of its own while it can, so that a directory's inodes are neighbours and different directories
/// seldom wait for each other's cluster lock. Nothing of it survives a crash.
///
/// A count is what the medium has; it changes after commits, under the cluster's lock. A head is
/// read without that lock to learn its count, which is sound because `Know` comes before the first
/// change of a head.
class ClusterRoom {
 public:
  /// Reads the number of free slots of a cluster from its head.
  using ReadFree = absl::FunctionRef<daxcore::Result<uint32_t>(uint64_t cluster)>;

  explicit ClusterRoom(uint32_t streams);

  uint32_t streams() const { return streams_; }

  /// The file has `clusters` clusters (once), or one more, empty, that `stream` uses.
  void SetEnd(uint64_t clusters);
  void AddEmpty(uint64_t cluster, uint32_t stream);

  /// Learns the count of this cluster, unless it is known.
  daxcore::Result<void> Know(uint64_t cluster, ReadFree read);
  /// Learns up to `most` unknown ones, from the end of the file down; false if all were known.
  daxcore::Result<bool> KnowMore(uint64_t most, ReadFree read);

  /// A cluster with free slots for `stream`: its own, else the one nearest to `near` that no other
  /// stream uses, none of `except`. With `any`, other streams' clusters too.
  std::optional<uint64_t> Choose(uint32_t stream, uint64_t near, std::span<const uint64_t> except,
                                 bool any);
  /// A known cluster has one free slot more or less, committed.
  void Change(uint64_t cluster, int by);

  /// Sum of the known counts.
  uint64_t free() const;

 private:
  static constexpr uint8_t kUnknown = 0xff;
  static constexpr uint64_t kNone = ~uint64_t{0};

  daxcore::Result<void> KnowLocked(uint64_t cluster, ReadFree read)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveLocked(uint32_t stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsUsedLocked(uint64_t cluster) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<uint64_t> NearestLocked(uint64_t near, std::span<const uint64_t> except) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint32_t streams_;

  mutable absl::Mutex mutex_;
  std::vector<uint8_t> free_slots_ ABSL_GUARDED_BY(mutex_);        // by cluster; kUnknown
  absl::btree_set<uint64_t> roomy_ ABSL_GUARDED_BY(mutex_);        // free slots, used by no stream
  std::vector<uint64_t> stream_clusters_ ABSL_GUARDED_BY(mutex_);  // kNone
  uint64_t unknown_end_ ABSL_GUARDED_BY(mutex_) = 0;               // from here on all are known
  uint64_t free_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::fsmeta
