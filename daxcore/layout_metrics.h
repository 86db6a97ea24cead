// SPDX-License-Identifier: Apache-2.0
// Counters of the layout machinery, for `holdfast info` and monitoring.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>

namespace holdfast::daxcore {

/// Durations in power-of-two buckets of microseconds: bucket i counts those below 2^i us.
/// Thread-safe.
class LatencyHistogram {
 public:
  static constexpr size_t kBuckets = 40;

  void Add(std::chrono::nanoseconds duration) {
    const auto us = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0)) / 1000;
    const size_t bucket = std::min<size_t>(std::bit_width(us), kBuckets - 1);
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(us, std::memory_order_relaxed);
  }
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  std::array<uint64_t, kBuckets> buckets() const {
    std::array<uint64_t, kBuckets> counts{};
    for (size_t i = 0; i < kBuckets; ++i) counts[i] = bucket(i);
    return counts;
  }
  uint64_t sum_us() const { return sum_us_.load(std::memory_order_relaxed); }
  uint64_t count() const {
    uint64_t n = 0;
    for (const auto& b : buckets_) n += b.load(std::memory_order_relaxed);
    return n;
  }

 private:
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_us_{0};
};

/// Monotonic counts since start. Thread-safe.
struct LayoutMetrics {
  std::atomic<uint64_t> breaks{0};              ///< break requests that met a lease or a busy page
  std::atomic<uint64_t> waits{0};               ///< times one had to wait
  std::atomic<uint64_t> interrupts{0};          ///< waits that ended with EINTR (L5)
  std::atomic<uint64_t> recalls{0};             ///< leases recalled
  std::atomic<uint64_t> lease_timeouts{0};      ///< recalled leases that became void (L13)
  std::atomic<uint64_t> busy_timeouts{0};       ///< breaks that gave up waiting (L14)
  std::atomic<uint64_t> busy_failures{0};       ///< breaks refused with EBUSY (L14)
  std::atomic<uint64_t> quarantined_blocks{0};  ///< blocks that ever went into quarantine
  std::atomic<uint64_t> failures{0};            ///< media failures reported
  std::atomic<uint64_t> holders_told{0};        ///< leases and pins told of a failure (F3)
  LatencyHistogram break_wait;                  ///< first block to the end, per break that waited
  LatencyHistogram recall_time;                 ///< recall to return or void, per lease
};

}  // namespace holdfast::daxcore
