// SPDX-License-Identifier: Apache-2.0
// The live inode: what DRAM knows of an inode that the kernel or an operation refers to.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/layout.h"
#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

using daxcore::Ino;

/// Timestamps that changed in DRAM and are not on the medium yet (lazy times, design section 3).
struct LazyTimes {
  timespec atime{};
  timespec mtime{};
  timespec ctime{};
  bool atime_dirty = false;
  bool mtime_dirty = false;
  bool ctime_dirty = false;
  bool any() const { return atime_dirty || mtime_dirty || ctime_dirty; }
};

/// One live inode. Kept by LiveInodes while the kernel has looked it up, a file is open on it, or a
/// reference is held. Nothing in it survives a crash. Lock order: LOCKING.md. It must stay small:
/// tens of thousands of them are live at a time.
struct LiveInode {
  explicit LiveInode(Ino number) : ino(number), layout(number) {}

  const Ino ino;

  /// The I/O lock: reads share it; writes and everything that changes size or extents own it. The
  /// extents of a file change only under it.
  absl::Mutex io;
  /// Leases, pins, mapping entries and the layout lock; tiny until somebody maps the file.
  daxcore::InodeLayout layout;
  /// The metadata lock: slot, extents, attributes and, for a directory, its entries. Readers share
  /// it. Held until the transaction that changes them has committed.
  absl::Mutex meta ABSL_ACQUIRED_AFTER(io);

  LazyTimes times ABSL_GUARDED_BY(times_lock);
  absl::Mutex times_lock ABSL_ACQUIRED_AFTER(meta);

  /// What the kernel remembers of us, and open handles. Changed under the cache's shard lock.
  uint64_t lookups = 0;
  uint64_t opens = 0;
  uint64_t references = 0;

  /// Directories: what is known of free space in their blocks (names' business).
  std::unique_ptr<struct DirectoryHints> hints ABSL_GUARDED_BY(meta);
};

class LiveInodes;

/// A counted reference to a live inode; keeps it in core. Movable, belongs to one thread.
class InodeRef {
 public:
  InodeRef() = default;
  InodeRef(InodeRef&& other) noexcept;
  InodeRef& operator=(InodeRef&& other) noexcept;
  ~InodeRef();
  LiveInode* operator->() const { return inode_; }
  LiveInode& operator*() const { return *inode_; }
  explicit operator bool() const { return inode_ != nullptr; }

 private:
  friend class LiveInodes;
  InodeRef(LiveInodes* cache, LiveInode* inode) : cache_(cache), inode_(inode) {}
  LiveInodes* cache_ = nullptr;
  LiveInode* inode_ = nullptr;
};

/// All live inodes of a volume, in shards by number. Thread-safe.
class LiveInodes {
 public:
  /// Called, with no cache lock held, when the last lookup, open handle and reference is gone and
  /// before the inode leaves core: writes lazy times, deletes an orphan. While it runs the inode is
  /// still findable; if somebody finds it, it stays.
  using Evict = std::function<void(InodeRef)>;
  explicit LiveInodes(Evict evict);
  ~LiveInodes();

  /// The live inode of that number, made live if need be (no check that it exists on the medium).
  InodeRef Get(Ino ino);
  /// The live inode if it is in core.
  InodeRef Find(Ino ino);

  void AddLookup(LiveInode& inode);
  void Forget(Ino ino, uint64_t lookups);
  void AddOpen(LiveInode& inode);
  void DropOpen(Ino ino);

  /// Calls `fn` for each inode in core, with a reference and no lock held (sync, unmount, dumps).
  void ForEach(const std::function<void(InodeRef)>& fn);
  size_t size() const;

 private:
  friend class InodeRef;
  void Unreference(LiveInode* inode);
  struct Shard {
    absl::Mutex lock;
    absl::flat_hash_map<Ino, std::unique_ptr<LiveInode>> inodes ABSL_GUARDED_BY(lock);
  };
  Shard& ShardOf(Ino ino) { return shards_[ino.value() % shards_.size()]; }
  std::array<Shard, 64> shards_;
  Evict evict_;
};

}  // namespace holdfast::fsmeta
