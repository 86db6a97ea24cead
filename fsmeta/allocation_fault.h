// SPDX-License-Identifier: Apache-2.0
// Allocations that fail on demand, in one test program only: whatever a transaction was about to do
// must be undone (tests/crash/README.md). In every other build AllocationFails() is a constant
// false.
#pragma once

#include <cstdint>

namespace holdfast::fsmeta {

/// What is allocated.
enum class AllocationKind : uint8_t {
  kBlocks,  ///< blocks of the region: ENOSPC
  kMemory,  ///< a transaction's copy of what it changes: ENOMEM
};

#ifdef HOLDFAST_SEEDED_BUGS
/// Which allocation fails. Set while no other thread allocates.
struct AllocationFault {
  AllocationKind kind = AllocationKind::kBlocks;
  uint64_t left = 0;     ///< until the one that fails, that one included; 0: none does
  bool forever = false;  ///< all after it fail, too
  uint64_t failed = 0;   ///< so many have failed
};
extern AllocationFault allocation_fault;

inline bool AllocationFails(AllocationKind kind) {
  AllocationFault& fault = allocation_fault;
  if (kind != fault.kind || fault.left == 0) return false;
  if (fault.left > 1) {
    --fault.left;
    return false;
  }
  if (!fault.forever) fault.left = 0;
  ++fault.failed;
  return true;
}
#else
constexpr bool AllocationFails(AllocationKind) { return false; }
#endif

}  // namespace holdfast::fsmeta
