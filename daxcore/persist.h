// SPDX-License-Identifier: Apache-2.0
// The verbs through which every store to the region goes (PMDK pmem_ops is the model).
#pragma once

#include <cstddef>

namespace holdfast::daxcore {

/// The only way to change the region. One object per region; thread-safe; a store is ordered only
/// by the calling thread's own flush + drain. 8-byte aligned 8-byte stores are atomic, nothing
/// larger is. Tests swap in a recorder that sees every call; the crash proofs rest on there being
/// no other path, and in a build with HOLDFAST_GUARD_STORES any other store is a SIGSEGV. `dst`
/// always lies inside the region.
class Persist {
 public:
  virtual ~Persist() = default;

  /// Cached store of `n` bytes. Not durable until flushed and drained.
  virtual void Store(void* dst, const void* src, size_t n) = 0;
  /// Starts the write-back of the cache lines that overlap [dst, dst + n).
  virtual void Flush(const void* dst, size_t n) = 0;
  /// Waits until this thread's flushes and non-temporal stores are durable.
  virtual void Drain() = 0;
  /// Non-temporal copy: needs a Drain, but no Flush.
  virtual void CopyNt(void* dst, const void* src, size_t n) = 0;
  /// Non-temporal zeroes: needs a Drain, but no Flush.
  virtual void ZeroNt(void* dst, size_t n) = 0;

  /// Flush + Drain.
  void PersistRange(const void* dst, size_t n) {
    Flush(dst, n);
    Drain();
  }
};

}  // namespace holdfast::daxcore
