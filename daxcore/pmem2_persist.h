// SPDX-License-Identifier: Apache-2.0
// The persist verbs of a libpmem2 mapping: the only implementation that serves a real region.
#pragma once

#include <libpmem2.h>

#include "daxcore/persist.h"

namespace holdfast::daxcore {

/// Verbs of one mapped region. Owns nothing: the mapping must outlive it. Thread-safe; after a
/// crash only what was flushed and drained is sure to be there.
class Pmem2Persist final : public Persist {
 public:
  /// Picks the CPU's best instructions for `map`'s granularity.
  explicit Pmem2Persist(pmem2_map* map);

  void Store(void* dst, const void* src, size_t n) override;
  void Flush(const void* dst, size_t n) override { flush_(dst, n); }
  void Drain() override { drain_(); }
  void CopyNt(void* dst, const void* src, size_t n) override;
  void ZeroNt(void* dst, size_t n) override;

 private:
  pmem2_flush_fn flush_;
  pmem2_drain_fn drain_;
  pmem2_memcpy_fn memcpy_;
  pmem2_memset_fn memset_;
};

/// Copies so that an aligned 8-byte store is one store, which memcpy does not promise.
void StoreCached(void* dst, const void* src, size_t n);

}  // namespace holdfast::daxcore
