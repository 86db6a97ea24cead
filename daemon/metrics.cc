// SPDX-License-Identifier: Apache-2.0
// Names of operations, and sums over the shards.
#include "daemon/metrics.h"

namespace holdfast::daemon {
namespace {

constexpr std::array<std::string_view, kOpCount> kNames = {
    "lookup",      "forget",  "getattr",     "setattr", "readlink",  "mknod",           "mkdir",
    "symlink",     "tmpfile", "create",      "link",    "unlink",    "rmdir",           "rename",
    "open",        "release", "read",        "write",   "fallocate", "copy_file_range", "lseek",
    "fsync",       "readdir", "readdirplus", "statfs",  "getxattr",  "setxattr",        "listxattr",
    "removexattr", "ioctl",   "poll",
};
static_assert(!kNames.back().empty(), "every operation has a name");

}  // namespace

std::string_view NameOf(Op op) { return kNames.at(static_cast<size_t>(op)); }

size_t Metrics::ShardOfThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  return mine;
}

OpTotals Metrics::Totals(Op op) const {
  OpTotals totals;
  for (const Shard& shard : shards_) {
    const Cell& cell = shard.cells[static_cast<size_t>(op)];
    totals.errors += cell.errors.load(std::memory_order_relaxed);
    totals.sum_us += cell.latency.sum_us();
    for (size_t i = 0; i < totals.buckets.size(); ++i) {
      totals.buckets[i] += cell.latency.bucket(i);
      totals.count += cell.latency.bucket(i);
    }
  }
  return totals;
}

}  // namespace holdfast::daemon
