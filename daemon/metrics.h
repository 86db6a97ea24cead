// SPDX-License-Identifier: Apache-2.0
// Counters and latency histograms of the operations.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "daxcore/layout_metrics.h"

namespace holdfast::daemon {

/// Operations as the metrics and the log tell them apart.
enum class Op : uint8_t {
  kLookup,
  kForget,
  kGetattr,
  kSetattr,
  kReadlink,
  kMknod,
  kMkdir,
  kSymlink,
  kTmpfile,
  kCreate,
  kLink,
  kUnlink,
  kRmdir,
  kRename,
  kOpen,
  kRelease,
  kRead,
  kWrite,
  kFallocate,
  kCopyFileRange,
  kLseek,
  kFsync,
  kReaddir,
  kReaddirplus,
  kStatfs,
  kGetxattr,
  kSetxattr,
  kListxattr,
  kRemovexattr,
  kIoctl,
  kPoll,
  kCount,
};
inline constexpr size_t kOpCount = static_cast<size_t>(Op::kCount);

std::string_view NameOf(Op op);

/// Totals of one operation.
struct OpTotals {
  uint64_t count = 0;
  uint64_t errors = 0;
  uint64_t sum_us = 0;
  /// Bucket i counts requests that took less than 2^i microseconds (and at least half of it).
  std::array<uint64_t, daxcore::LatencyHistogram::kBuckets> buckets{};
};

/// Counts since start. Written by every thread without a shared cache line, read seldom.
/// Thread-safe.
class Metrics {
 public:
  void Count(Op op, std::chrono::nanoseconds took, bool failed) {
    Cell& cell = shards_[ShardOfThread()].cells[static_cast<size_t>(op)];
    cell.latency.Add(took);
    if (failed) cell.errors.fetch_add(1, std::memory_order_relaxed);
  }
  OpTotals Totals(Op op) const;

  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> bytes_written{0};
  std::atomic<uint64_t> parked{0};       ///< times a request was parked
  std::atomic<uint64_t> interrupted{0};  ///< requests answered with EINTR

 private:
  static constexpr size_t kShards = 16;
  struct Cell {
    daxcore::LatencyHistogram latency;
    std::atomic<uint64_t> errors{0};
  };
  struct alignas(64) Shard {
    std::array<Cell, kOpCount> cells;
  };
  static size_t ShardOfThread();

  std::array<Shard, kShards> shards_;
};

}  // namespace holdfast::daemon
