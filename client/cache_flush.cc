// SPDX-License-Identifier: Apache-2.0
// Cache write-back on x86-64: clwb, else clflushopt, else clflush; a fence at the end.
#include "client/cache_flush.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace holdfast::client {

#if defined(__x86_64__)
namespace {

constexpr uintptr_t kLine = 64;

__attribute__((target("clwb"))) void WriteBack(uintptr_t from, uintptr_t to) {
  for (; from < to; from += kLine) _mm_clwb(reinterpret_cast<void*>(from));
}

__attribute__((target("clflushopt"))) void FlushOptimized(uintptr_t from, uintptr_t to) {
  for (; from < to; from += kLine) _mm_clflushopt(reinterpret_cast<void*>(from));
}

void FlushPlain(uintptr_t from, uintptr_t to) {
  for (; from < to; from += kLine) _mm_clflush(reinterpret_cast<void*>(from));
}

using FlushFunction = void (*)(uintptr_t, uintptr_t);

FlushFunction ChooseFlush() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return FlushPlain;
  constexpr unsigned kClwb = 1u << 24, kClflushopt = 1u << 23;
  if ((b & kClwb) != 0) return WriteBack;
  if ((b & kClflushopt) != 0) return FlushOptimized;
  return FlushPlain;
}

}  // namespace

bool FlushCaches(const void* at, size_t length) {
  static const FlushFunction flush = ChooseFlush();
  const auto start = reinterpret_cast<uintptr_t>(at);
  flush(start & ~(kLine - 1), start + length);
  _mm_sfence();
  return true;
}
#else
bool FlushCaches(const void*, size_t) { return false; }
#endif

}  // namespace holdfast::client
