// SPDX-License-Identifier: Apache-2.0
// The metadata locks of the several inodes that one operation on names changes.
#pragma once

#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "fsmeta/live_inodes.h"

namespace holdfast::fsmeta {

/// Owns exclusive metadata locks of a few inodes, and the references that keep them in core. Locks
/// are taken in order of inode number, whatever order the inodes were named in. Belongs to one
/// thread. Which locks are held is known at run time only, so clang's analysis ends at this class;
/// LiveInode::meta.AssertHeld() carries on from it.
class MetaLocks {
 public:
  MetaLocks() = default;
  ~MetaLocks() { Unlock(); }
  MetaLocks(const MetaLocks&) = delete;
  MetaLocks& operator=(const MetaLocks&) = delete;

  /// Adds an inode to the set; each is in it once. Its lock is not taken. The pointer is valid as
  /// long as this object.
  LiveInode* Add(InodeRef inode);
  /// Takes all locks of the set, of which none is held.
  void Lock();
  /// Adds an inode and takes its lock if that cannot deadlock with those held; false if it could,
  /// then the set contains it, but all that was held is still all that is held.
  bool TryAdd(InodeRef inode);
  /// Drops the locks; the set stays.
  void Unlock();

  bool Holds(const LiveInode& inode) const;

 private:
  struct Member {
    InodeRef inode;
    bool locked = false;
  };
  Member* Find(Ino ino);
  absl::InlinedVector<Member, 4> members_;
};

}  // namespace holdfast::fsmeta
