// SPDX-License-Identifier: Apache-2.0
// Taking several metadata locks in one order.
#include "fsmeta/meta_locks.h"

#include <algorithm>

namespace holdfast::fsmeta {

MetaLocks::Member* MetaLocks::Find(Ino ino) {
  const auto found =
      std::ranges::find(members_, ino, [](const Member& member) { return member.inode->ino; });
  return found == members_.end() ? nullptr : &*found;
}

LiveInode* MetaLocks::Add(InodeRef inode) {
  if (const Member* known = Find(inode->ino)) return known->inode.get();
  LiveInode* live = inode.get();
  members_.push_back({std::move(inode), false});
  return live;
}

void MetaLocks::Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::ranges::sort(members_, {}, [](const Member& member) { return member.inode->ino; });
  for (Member& member : members_) {
    member.inode->meta.Lock();
    member.locked = true;
  }
}

bool MetaLocks::TryAdd(InodeRef inode) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const Ino ino = inode->ino;
  Add(std::move(inode));
  Member& member = *Find(ino);
  if (member.locked) return true;
  const bool comes_last = std::ranges::none_of(
      members_, [&](const Member& other) { return other.locked && other.inode->ino > ino; });
  if (comes_last) {
    member.inode->meta.Lock();
    member.locked = true;
  } else {
    member.locked = member.inode->meta.TryLock();
  }
  return member.locked;
}

void MetaLocks::Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (Member& member : members_) {
    if (member.locked) member.inode->meta.Unlock();
    member.locked = false;
  }
}

bool MetaLocks::Holds(const LiveInode& inode) const {
  return std::ranges::any_of(members_, [&](const Member& member) {
    return member.locked && member.inode.get() == &inode;
  });
}

}  // namespace holdfast::fsmeta
