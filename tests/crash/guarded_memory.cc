// SPDX-License-Identifier: Apache-2.0
// One piece of memory, mapped read-only and writable.
#include "tests/crash/guarded_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daxcore/pmem2_persist.h"

namespace holdfast::tests {
// The region comes with memory of its own, which this one takes the place of.
std::unique_ptr<daxcore::Region> GuardedMemory::MakeRegion(daxcore::Persist* verbs) {
  auto region = daxcore::Region::InMemory(writable_->size(), verbs);
  if (mmap(region->Target(0), region->size(), PROT_READ, MAP_SHARED | MAP_FIXED, writable_->fd(),
           0) == MAP_FAILED) {
    std::perror("cannot make guarded memory");
    std::abort();
  }
  latest_ = region->base();
  if (first_ == nullptr) first_ = latest_;
  return region;
}

uint64_t GuardedMemory::OffsetOf(const void* dst) const {
  const auto at = reinterpret_cast<uintptr_t>(dst);
  const uint64_t offset = at - reinterpret_cast<uintptr_t>(latest_);
  return offset < writable_->size() ? offset : at - reinterpret_cast<uintptr_t>(first_);
}

void GuardedMemory::Store(void* dst, const void* src, size_t n) {
  daxcore::StoreCached(Writable(dst), src, n);
}

void GuardedMemory::CopyNt(void* dst, const void* src, size_t n) {
  std::memmove(Writable(dst), src, n);
}

void GuardedMemory::ZeroNt(void* dst, size_t n) { std::memset(Writable(dst), 0, n); }

}  // namespace holdfast::tests
