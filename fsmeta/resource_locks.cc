// SPDX-License-Identifier: Apache-2.0
// Taking and releasing the striped locks on shared metadata.
#include "fsmeta/resource_locks.h"

#include <algorithm>

namespace holdfast::fsmeta {

using daxcore::Fail;
using daxcore::Result;

size_t ResourceLocks::StripeOf(ResourceKey key) {
  return (static_cast<size_t>(key.cls) - 1) * kStripes + key.index % kStripes;
}

// Which mutexes are held is only known at run time, so the analysis cannot follow these three.
Result<void> HeldLocks::Lock(ResourceKey key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const size_t stripe = ResourceLocks::StripeOf(key);
  if (std::ranges::find(held_, stripe) != held_.end()) return {};
  const bool in_order =
      std::ranges::all_of(held_, [stripe](size_t other) { return other < stripe; });
  wanted_.push_back(key);
  if (in_order) {
    locks_.stripe(stripe).Lock();
  } else if (!locks_.stripe(stripe).TryLock()) {
    return Fail(ERESTART);
  }
  held_.push_back(stripe);
  return {};
}

Result<void> HeldLocks::LockAll(std::span<const ResourceKey> keys) {
  for (const ResourceKey& key : keys) {
    if (auto locked = Lock(key); !locked) return locked;
  }
  return {};
}

absl::InlinedVector<ResourceKey, 8> HeldLocks::WantedInOrder() const {
  auto keys = wanted_;
  std::ranges::sort(keys, {}, &ResourceLocks::StripeOf);
  const auto repeated = std::ranges::unique(keys, {}, &ResourceLocks::StripeOf);
  keys.erase(repeated.begin(), repeated.end());
  return keys;
}

void HeldLocks::ReleaseAll() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (const size_t stripe : held_) locks_.stripe(stripe).Unlock();
  held_.clear();
}

}  // namespace holdfast::fsmeta
