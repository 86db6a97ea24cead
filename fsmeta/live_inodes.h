// SPDX-License-Identifier: Apache-2.0
// The cache of live inodes: who is in core, for how long, and what happens when one leaves.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fsmeta/live_inode.h"

namespace holdfast::fsmeta {

class LiveInodes;

/// A counted reference to a live inode; keeps it in core. Movable, belongs to one thread. Dropping
/// the last one may run Evict, which locks the inode: drop it with no inode lock held (declare
/// references before the locks).
class InodeRef {
 public:
  InodeRef() = default;
  InodeRef(InodeRef&& other) noexcept
      : cache_(other.cache_), inode_(std::exchange(other.inode_, nullptr)) {}
  InodeRef& operator=(InodeRef&& other) noexcept;
  ~InodeRef();
  LiveInode* operator->() const { return inode_; }
  LiveInode& operator*() const { return *inode_; }
  LiveInode* get() const { return inode_; }
  explicit operator bool() const { return inode_ != nullptr; }

 private:
  friend class LiveInodes;
  InodeRef(LiveInodes* cache, LiveInode* inode) : cache_(cache), inode_(inode) {}
  LiveInodes* cache_ = nullptr;
  LiveInode* inode_ = nullptr;
};

/// Owns all live inodes of a volume, in shards by number. Thread-safe. Nothing of it survives a
/// crash; the kernel's lookup counts are the kernel's to remember.
class LiveInodes {
 public:
  /// Called, with no cache lock held, when the last lookup, open handle and reference is gone and
  /// before the inode leaves core: writes lazy times, deletes an orphan. While it runs the inode is
  /// still findable; whoever finds it keeps it in core, and Evict runs again afterwards.
  using Evict = std::function<void(LiveInode&)>;
  /// `layouts` outlives the cache.
  LiveInodes(daxcore::LayoutManager& layouts, Evict evict);
  ~LiveInodes();

  /// The live inode of that number, made live if need be (no check that it exists on the medium).
  InodeRef Get(Ino ino);
  /// The live inode if it is in core.
  InodeRef Find(Ino ino);

  void AddLookup(LiveInode& inode);
  /// Takes back up to `lookups` lookups; no more than there are (the count comes from outside).
  void Forget(Ino ino, uint64_t lookups);
  void AddOpen(LiveInode& inode);
  void DropOpen(Ino ino);

  /// Calls `fn` for each inode in core, with a reference and no lock held (sync, dumps).
  void ForEach(const std::function<void(LiveInode&)>& fn);
  /// Forgets all lookups and open handles, as the kernel does at unmount without saying so.
  void ForgetAll();
  size_t size() const;

 private:
  friend class InodeRef;
  struct Shard {
    mutable absl::Mutex lock;
    absl::flat_hash_map<Ino, std::unique_ptr<LiveInode>> inodes ABSL_GUARDED_BY(lock);
  };
  static constexpr size_t kShards = 64;

  Shard& ShardOf(Ino ino) { return shards_[ino.value() % kShards]; }
  InodeRef ReferTo(LiveInode& inode);
  // Changes the counts of `ino` by `drop(inode)`; when none are left, the inode leaves.
  template <typename Drop>
  void Release(Ino ino, Drop drop);
  void Leave(LiveInode& inode);

  daxcore::LayoutManager& layouts_;
  const Evict evict_;
  std::array<Shard, kShards> shards_;
};

}  // namespace holdfast::fsmeta
