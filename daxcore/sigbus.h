// SPDX-License-Identifier: Apache-2.0
// SIGBUS inside watched memory: survived, and remembered.
#pragma once

#include <setjmp.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Bad pages met by the signal handler, until somebody takes them. Lock-free, safe in signal
/// handlers. What does not fit is dropped: it will be met again.
class MetPages {
 public:
  /// Remembers page `number` and makes `event_fd` readable.
  void Add(uint64_t number, int event_fd);
  bool any() const { return count_.load(std::memory_order_acquire) != 0; }
  /// Takes everything out.
  std::vector<uint64_t> Take();

 private:
  std::array<std::atomic<uint64_t>, 256> slots_{};  // page number + 1, 0 = free
  std::atomic<uint64_t> count_{0};
};

/// Memory whose SIGBUS is caught. The owner keeps it in place while it is watched.
struct WatchedMemory {
  std::byte* base = nullptr;
  std::byte* alias = nullptr;  ///< second, writable mapping of the same memory, if there is one
  size_t size = 0;
  size_t granule = 4096;  ///< what can be mapped over, bytes
  bool writable = true;
  int event_fd = -1;
  MetPages met;
  std::atomic<uint64_t> poisoned_loads{0};  ///< faults outside of RunGuarded
  std::atomic<uint64_t> poisoned_at{0};     ///< where the first of them was, bytes from `base`
};

/// Catches SIGBUS inside `memory` from now on. A fault inside RunGuarded ends that; any other puts
/// a page of zeroes over the bad one, for this process, and goes on. SIGBUS anywhere else goes to
/// whoever had the signal before. ENFILE when 64 pieces of memory are watched.
Result<void> WatchMemory(WatchedMemory* memory);
/// No thread may be touching the memory.
void UnwatchMemory(WatchedMemory* memory);

namespace internal {
extern constinit thread_local sigjmp_buf* guard;
}

/// Runs `touch`, which reads and writes watched memory. False if it met a bad page; then it ended
/// there, without unwinding: it must hold no lock and own nothing while it touches the memory. May
/// be nested.
template <typename Touch>
[[gnu::noinline]] bool RunGuarded(Touch&& touch) {
  sigjmp_buf here;
  sigjmp_buf* const outer = internal::guard;
  // The signal mask is not saved: the handler runs with SA_NODEFER, so there is nothing to restore.
  if (sigsetjmp(here, 0) != 0) {
    internal::guard = outer;
    return false;
  }
  internal::guard = &here;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::forward<Touch>(touch)();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  internal::guard = outer;
  return true;
}

}  // namespace holdfast::daxcore
