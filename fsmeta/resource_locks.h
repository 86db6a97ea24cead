// SPDX-License-Identifier: Apache-2.0
// Locks on shared metadata (groups, inode clusters, orphan blocks), taken as a transaction meets
// them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"

namespace holdfast::fsmeta {

/// Kinds of shared metadata, in lock order.
enum class ResourceClass : uint32_t {
  kInodeFile = 1,     ///< growth of the inode file (index 0)
  kInodeCluster = 2,  ///< one inode cluster, by cluster index: its head block
  kOrphanFile = 3,    ///< growth of the orphan file (index 0)
  kOrphanBlock = 4,   ///< one block of the orphan file
  kQuarantine = 5,    ///< the quarantine file (index 0)
  kGroup = 6,         ///< an allocation group: header, bitmap, refcounts, reverse map
};

/// One lockable resource. Order = lock order.
struct ResourceKey {
  ResourceClass cls;
  uint64_t index = 0;
  auto operator<=>(const ResourceKey&) const = default;
  bool operator==(const ResourceKey&) const = default;
};

/// The mutexes. Keys are striped over a fixed table, in an order that follows the key order within
/// the table, so two keys may share a mutex (harmless: it is taken once).
class ResourceLocks {
 public:
  static constexpr size_t kStripes = 64;
  /// Stripe of a key; comparing stripes is comparing lock order.
  static size_t StripeOf(ResourceKey key);
  absl::Mutex& stripe(size_t i) { return stripes_[i]; }

 private:
  static constexpr size_t kClasses = 6;
  std::array<absl::Mutex, kStripes * kClasses> stripes_;
};

/// The locks one transaction holds; released together. Not thread-safe: one owner.
class HeldLocks {
 public:
  explicit HeldLocks(ResourceLocks& locks) : locks_(locks) {}
  ~HeldLocks() { ReleaseAll(); }
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;

  /// Takes `key`. Blocks only if `key` comes after everything held; else tries, and when that
  /// fails answers ERESTART and remembers that `key` is wanted.
  daxcore::Result<void> Lock(ResourceKey key);
  /// Takes all of `keys`, which are in lock order (as `WantedInOrder` gives them), while nothing is
  /// held. Blocks.
  daxcore::Result<void> LockAll(std::span<const ResourceKey> keys);
  /// Everything held or wanted, in lock order: what the next attempt starts with.
  absl::InlinedVector<ResourceKey, 8> WantedInOrder() const;
  void ReleaseAll();

 private:
  ResourceLocks& locks_;
  absl::InlinedVector<size_t, 8> held_;         // stripes, any order
  absl::InlinedVector<ResourceKey, 8> wanted_;  // keys asked for
};

}  // namespace holdfast::fsmeta
