// SPDX-License-Identifier: Apache-2.0
// Memory that can only be changed through the persist verbs: any other store is a SIGSEGV.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daxcore/persist.h"
#include "daxcore/region.h"

namespace holdfast::tests {

/// Owns memory that is mapped read-only where the region's users see it, and writable where only
/// the verbs store. It starts as zeroes. Thread-safe as far as the verbs are. Failing to map aborts
/// the test program.
class GuardedMemory final : public daxcore::Persist {
 public:
  explicit GuardedMemory(uint64_t size);
  ~GuardedMemory() override;
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  /// A region over the memory with `verbs`, which must end in this object's verbs. The memory must
  /// outlive it. Verbs may be used on the first one made and on the latest.
  std::unique_ptr<daxcore::Region> MakeRegion(daxcore::Persist* verbs);
  std::unique_ptr<daxcore::Region> MakeRegion() { return MakeRegion(this); }

  std::span<const std::byte> bytes() const { return {writable_, size_}; }
  /// Where byte `offset` can be stored to.
  std::byte* WritableAt(uint64_t offset) const { return writable_ + offset; }
  /// The byte that `dst`, an address in a region, is.
  uint64_t OffsetOf(const void* dst) const;

  void Store(void* dst, const void* src, size_t n) override;
  void Flush(const void*, size_t) override {}
  void Drain() override {}
  void CopyNt(void* dst, const void* src, size_t n) override;
  void ZeroNt(void* dst, size_t n) override;

 private:
  std::byte* Writable(const void* dst) const { return WritableAt(OffsetOf(dst)); }

  const uint64_t size_;
  int fd_ = -1;
  std::byte* writable_ = nullptr;
  const std::byte* first_ = nullptr;  // bases of regions
  const std::byte* latest_ = nullptr;
};

}  // namespace holdfast::tests
