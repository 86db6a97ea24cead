// SPDX-License-Identifier: Apache-2.0
// One piece of memory, mapped read-only and writable.
#include "tests/crash/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daxcore/pmem2_persist.h"

namespace holdfast::tests {
namespace {

void Require(bool made) {
  if (made) return;
  std::perror("cannot make guarded memory");
  std::abort();
}

}  // namespace

GuardedMemory::GuardedMemory(uint64_t size)
    : size_(size), fd_(memfd_create("holdfast-guarded", MFD_CLOEXEC)) {
  Require(fd_ >= 0 && ftruncate(fd_, static_cast<off_t>(size)) == 0);
  void* const map = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  Require(map != MAP_FAILED);
  writable_ = static_cast<std::byte*>(map);
}

GuardedMemory::~GuardedMemory() {
  munmap(writable_, size_);
  close(fd_);
}

// The region comes with memory of its own, which this one takes the place of.
std::unique_ptr<daxcore::Region> GuardedMemory::MakeRegion(daxcore::Persist* verbs) {
  auto region = daxcore::Region::InMemory(size_, verbs);
  Require(mmap(region->Target(0), size_, PROT_READ, MAP_SHARED | MAP_FIXED, fd_, 0) != MAP_FAILED);
  latest_ = region->base();
  if (first_ == nullptr) first_ = latest_;
  return region;
}

uint64_t GuardedMemory::OffsetOf(const void* dst) const {
  const auto at = reinterpret_cast<uintptr_t>(dst);
  const uint64_t offset = at - reinterpret_cast<uintptr_t>(latest_);
  return offset < size_ ? offset : at - reinterpret_cast<uintptr_t>(first_);
}

void GuardedMemory::Store(void* dst, const void* src, size_t n) {
  daxcore::StoreCached(Writable(dst), src, n);
}

void GuardedMemory::CopyNt(void* dst, const void* src, size_t n) {
  std::memmove(Writable(dst), src, n);
}

void GuardedMemory::ZeroNt(void* dst, size_t n) { std::memset(Writable(dst), 0, n); }

}  // namespace holdfast::tests
