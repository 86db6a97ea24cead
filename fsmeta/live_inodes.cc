// SPDX-License-Identifier: Apache-2.0
// Counting lookups, open handles and references; leaving core when all are gone.
#include "fsmeta/live_inodes.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace holdfast::fsmeta {

InodeRef& InodeRef::operator=(InodeRef&& other) noexcept {
  if (this != &other) {
    InodeRef dropped(cache_, std::exchange(inode_, std::exchange(other.inode_, nullptr)));
    cache_ = other.cache_;
  }
  return *this;
}

InodeRef::~InodeRef() {
  if (inode_ == nullptr) return;
  cache_->Release(inode_->ino, [](LiveInode& inode) { --inode.references_; });
}

LiveInodes::LiveInodes(daxcore::LayoutManager& layouts, Evict evict)
    : layouts_(layouts), evict_(std::move(evict)) {}

LiveInodes::~LiveInodes() = default;

InodeRef LiveInodes::ReferTo(LiveInode& inode) {
  ++inode.references_;
  inode.found_ = true;
  return InodeRef(this, &inode);
}

InodeRef LiveInodes::Get(Ino ino) {
  Shard& shard = ShardOf(ino);
  absl::MutexLock lock(&shard.lock);
  auto& entry = shard.inodes[ino];
  if (entry == nullptr) entry = std::make_unique<LiveInode>(layouts_, ino);
  return ReferTo(*entry);
}

InodeRef LiveInodes::Find(Ino ino) {
  Shard& shard = ShardOf(ino);
  absl::MutexLock lock(&shard.lock);
  const auto found = shard.inodes.find(ino);
  return found == shard.inodes.end() ? InodeRef() : ReferTo(*found->second);
}

void LiveInodes::AddLookup(LiveInode& inode) {
  absl::MutexLock lock(&ShardOf(inode.ino).lock);
  ++inode.lookups_;
}

void LiveInodes::AddOpen(LiveInode& inode) {
  absl::MutexLock lock(&ShardOf(inode.ino).lock);
  ++inode.opens_;
}

void LiveInodes::Forget(Ino ino, uint64_t lookups) {
  Release(ino, [=](LiveInode& inode) { inode.lookups_ -= std::min(inode.lookups_, lookups); });
}

void LiveInodes::DropOpen(Ino ino) {
  Release(ino, [](LiveInode& inode) { inode.opens_ -= std::min<uint64_t>(inode.opens_, 1); });
}

template <typename Drop>
void LiveInodes::Release(Ino ino, Drop drop) {
  LiveInode* inode = nullptr;
  {
    Shard& shard = ShardOf(ino);
    absl::MutexLock lock(&shard.lock);
    const auto found = shard.inodes.find(ino);
    if (found == shard.inodes.end()) return;
    inode = found->second.get();
    drop(*inode);
    if (inode->lookups_ + inode->opens_ + inode->references_ != 0) return;
    // While it is leaving, Leave holds a reference, so nobody else gets here.
    assert(!inode->leaving_);
    inode->leaving_ = true;
    inode->references_ = 1;
  }
  Leave(*inode);
}

void LiveInodes::Leave(LiveInode& inode) {
  Shard& shard = ShardOf(inode.ino);
  for (bool again = true; again;) {
    {
      absl::MutexLock lock(&shard.lock);
      inode.found_ = false;
    }
    evict_(inode);
    std::unique_ptr<LiveInode> gone;  // dies after the lock is dropped
    absl::MutexLock lock(&shard.lock);
    const bool in_use = inode.lookups_ + inode.opens_ + inode.references_ != 1;
    // Whoever found it meanwhile may have left something to write down.
    again = inode.found_ && !in_use;
    if (again) continue;
    inode.leaving_ = false;
    inode.references_ -= 1;
    if (in_use) return;
    const auto entry = shard.inodes.find(inode.ino);
    gone = std::move(entry->second);
    shard.inodes.erase(entry);
  }
}

void LiveInodes::ForEach(const std::function<void(LiveInode&)>& fn) {
  std::vector<Ino> numbers;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.lock);
    for (const auto& [ino, inode] : shard.inodes) numbers.push_back(ino);
  }
  for (const Ino ino : numbers) {
    if (const InodeRef inode = Find(ino)) fn(*inode);
  }
}

void LiveInodes::ForgetAll() {
  ForEach([&](LiveInode& inode) {
    absl::MutexLock lock(&ShardOf(inode.ino).lock);
    inode.lookups_ = 0;
    inode.opens_ = 0;
  });
}

size_t LiveInodes::size() const {
  size_t n = 0;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.lock);
    n += shard.inodes.size();
  }
  return n;
}

}  // namespace holdfast::fsmeta
