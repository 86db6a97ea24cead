// SPDX-License-Identifier: Apache-2.0
// Persist verbs through libpmem2's functions for the mapping's granularity.
#include "daxcore/pmem2_persist.h"

#include <cstdint>
#include <cstring>

namespace holdfast::daxcore {
namespace {

// Heads and tails that are no whole line are stored cached and flushed by libpmem2 itself.
constexpr unsigned kNonTemporal = PMEM2_F_MEM_NONTEMPORAL | PMEM2_F_MEM_NODRAIN;

}  // namespace

void StoreCached(void* dst, const void* src, size_t n) {
  if (n == sizeof(uint64_t) && reinterpret_cast<uintptr_t>(dst) % sizeof(uint64_t) == 0) {
    uint64_t word;
    std::memcpy(&word, src, sizeof(word));
    __atomic_store_n(static_cast<uint64_t*>(dst), word, __ATOMIC_RELAXED);
    return;
  }
  std::memcpy(dst, src, n);
}

Pmem2Persist::Pmem2Persist(pmem2_map* map)
    : flush_(pmem2_get_flush_fn(map)),
      drain_(pmem2_get_drain_fn(map)),
      memcpy_(pmem2_get_memcpy_fn(map)),
      memset_(pmem2_get_memset_fn(map)) {}

void Pmem2Persist::Store(void* dst, const void* src, size_t n) { StoreCached(dst, src, n); }

void Pmem2Persist::CopyNt(void* dst, const void* src, size_t n) {
  memcpy_(dst, src, n, kNonTemporal);
}

void Pmem2Persist::ZeroNt(void* dst, size_t n) { memset_(dst, 0, n, kNonTemporal); }

}  // namespace holdfast::daxcore
