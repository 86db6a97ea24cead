// SPDX-License-Identifier: Apache-2.0
// The persist verbs of a region that nothing else can store to (HOLDFAST_GUARD_STORES).
#pragma once

#include "daxcore/persist.h"
#include "daxcore/pmem2_persist.h"

namespace holdfast::daxcore {

/// Verbs of a region that is mapped read-only: they store to the same bytes through a second
/// mapping. Where the region's memory has failed they meet the SIGBUS at the region's own address,
/// with everything before that page stored, as the verbs of a writable region would. Owns nothing:
/// both mappings must outlive it. Thread-safe; what survives a crash is as for Pmem2Persist.
class GuardedPersist final : public Persist {
 public:
  /// With the functions of `map`, page by page: what is meant for `base` goes to `alias`.
  GuardedPersist(pmem2_map* map, std::byte* base, std::byte* alias)
      : verbs_(map), base_(base), alias_(alias) {}

  void Store(void* dst, const void* src, size_t n) override;
  void Flush(const void* dst, size_t n) override { verbs_.Flush(dst, n); }
  void Drain() override { verbs_.Drain(); }
  void CopyNt(void* dst, const void* src, size_t n) override;
  void ZeroNt(void* dst, size_t n) override;

 private:
  template <typename Verb>
  void ForEachPage(void* dst, size_t n, Verb verb) const;

  Pmem2Persist verbs_;
  std::byte* base_;
  std::byte* alias_;
};

}  // namespace holdfast::daxcore
