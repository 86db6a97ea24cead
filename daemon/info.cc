// SPDX-License-Identifier: Apache-2.0
// The JSON of a mount.
#include "daemon/info.h"

#include <fuse_lowlevel.h>
#include <unistd.h>

#include <cstring>

#include "daemon/failure_report.h"
#include "daemon/features.h"
#include "daemon/metrics.h"
#include "fsmeta/uuid_text.h"

namespace holdfast::daemon {
namespace {

using nlohmann::json;

std::string_view KindName(daxcore::RegionKind kind) {
  switch (kind) {
    case daxcore::RegionKind::kDevdax:
      return "devdax";
    case daxcore::RegionKind::kFsdax:
      return "fsdax";
    case daxcore::RegionKind::kEmulated:
      return "emulated";
    case daxcore::RegionKind::kMemory:
      return "memory";
  }
  return "unknown";
}

std::string_view PolicyName(daxcore::BusyPolicy policy) {
  switch (policy) {
    case daxcore::BusyPolicy::kWait:
      return "wait";
    case daxcore::BusyPolicy::kQuarantine:
      return "quarantine";
    case daxcore::BusyPolicy::kFail:
      return "fail";
  }
  return "unknown";
}

/// 4 KiB blocks that the medium lists as bad; null if it cannot be asked now.
json BadBlocksOf(const daxcore::Region& region) {
  const auto ranges = region.BadRanges();
  if (!ranges) return nullptr;
  uint64_t blocks = 0;
  for (const daxcore::ByteRange& range : *ranges) blocks += range.length >> daxcore::kBlockShift;
  return blocks;
}

json RegionOf(const daxcore::Region& region) {
  const daxcore::RegionFacts& facts = region.facts();
  json object = {{"path", region.path()},        {"size", region.size()},
                 {"kind", KindName(facts.kind)}, {"granularity", facts.granularity},
                 {"alignment", facts.alignment}, {"bad_blocks", BadBlocksOf(region)},
                 {"unsafe_shutdowns", nullptr}};  // null: the medium does not count them
  if (facts.unsafe_shutdowns_known) object["unsafe_shutdowns"] = facts.unsafe_shutdowns;
  return object;
}

json FormatOf(const fsmeta::Medium& medium) {
  const fsmeta::Superblock& super = medium.superblock();
  json object = {{"uuid", fsmeta::UuidText(medium.uuid())},
                 {"label", std::string(super.label, strnlen(super.label, sizeof(super.label)))},
                 {"version", super.version},
                 {"geometry", uint64_t{1} << super.geometry_shift},
                 {"emulated", (super.flags & fsmeta::kFlagEmulated) != 0},
                 {"groups", super.group_count},
                 {"mount_count", super.mount_count},
                 {"shut_down", medium.is_shut_down()}};
  if (medium.is_shut_down()) object["shutdown_reason"] = medium.shutdown_reason();
  return object;
}

json SpaceOf(fsmeta::Filesystem& filesystem) {
  const auto stat = filesystem.GetStatFs();
  if (!stat) return nullptr;
  return {{"total_bytes", stat->blocks * daxcore::kBlockSize},
          {"free_bytes", stat->free * daxcore::kBlockSize},
          {"available_bytes", stat->available * daxcore::kBlockSize},
          {"inodes", stat->inodes},
          {"free_inodes", stat->free_inodes}};
}

json OptionsOf(const Options& options) {
  return {{"ro", options.read_only},
          {"busy_policy", PolicyName(options.layout.busy_policy)},
          {"busy_timeout",
           std::chrono::duration_cast<std::chrono::seconds>(options.layout.busy_timeout).count()},
          {"break_time",
           std::chrono::duration_cast<std::chrono::seconds>(options.layout.break_time).count()},
          {"data", options.data == fsmeta::DataMode::kCow ? "cow" : "inplace"},
          {"cache", options.cache == CacheMode::kWriteback ? "writeback" : "none"}};
}

json FeaturesOf(const Service& service) {
  const Features& features = service.features();
  json object = {{"protocol", std::to_string(features.protocol_major) + "." +
                                  std::to_string(features.protocol_minor)},
                 {"libfuse", fuse_pkgversion()},
                 {"transport", service.over_io_uring() ? "io_uring" : "fuse"},
                 {"max_write", features.max_write},
                 {"max_background", features.max_background}};
  for (const NamedFeature& feature : NamedFeatures()) {
    object[std::string(feature.name)] = features.*feature.on;
  }
  return object;
}

// Bucket i counts what took less than 2^i microseconds.
json BucketsOf(const std::array<uint64_t, daxcore::LatencyHistogram::kBuckets>& counts) {
  json buckets = json::array();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    buckets.push_back({{"below_us", uint64_t{1} << i}, {"count", counts[i]}});
  }
  return buckets;
}

json HistogramOf(const daxcore::LatencyHistogram& histogram) {
  return {{"count", histogram.count()},
          {"sum_us", histogram.sum_us()},
          {"latencies", BucketsOf(histogram.buckets())}};
}

json LayoutsOf(daxcore::LayoutManager& layouts) {
  const daxcore::LayoutMetrics& metrics = layouts.metrics();
  return {{"breaks", metrics.breaks.load()},
          {"waits", metrics.waits.load()},
          {"interrupts", metrics.interrupts.load()},
          {"recalls", metrics.recalls.load()},
          {"lease_timeouts", metrics.lease_timeouts.load()},
          {"busy_timeouts", metrics.busy_timeouts.load()},
          {"busy_failures", metrics.busy_failures.load()},
          {"quarantined_blocks", metrics.quarantined_blocks.load()},
          {"quarantined_bytes", daxcore::Bytes(layouts.quarantine().blocks())},
          {"break_wait", HistogramOf(metrics.break_wait)},
          {"recall_time", HistogramOf(metrics.recall_time)}};
}

json OperationOf(const OpTotals& totals) {
  return {{"count", totals.count},
          {"errors", totals.errors},
          {"sum_us", totals.sum_us},
          {"latencies", BucketsOf(totals.buckets)}};
}

}  // namespace

json CountersOf(const Service& service) {
  const Metrics& metrics = service.metrics();
  json operations = json::object();
  for (size_t i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    const OpTotals totals = metrics.Totals(op);
    if (totals.count != 0) operations[std::string(NameOf(op))] = OperationOf(totals);
  }
  return {
      {"operations", std::move(operations)},           {"bytes_read", metrics.bytes_read.load()},
      {"bytes_written", metrics.bytes_written.load()}, {"parked", metrics.parked.load()},
      {"parked_now", service.parking_lot().size()},    {"interrupted", metrics.interrupted.load()}};
}

std::string JsonText(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json InfoOf(Service& service) {
  fsmeta::Volume& volume = service.filesystem().volume();
  return {{"version", HOLDFAST_VERSION},
          {"pid", getpid()},
          {"mountpoint", service.mountpoint()},
          {"region", RegionOf(volume.region())},
          {"filesystem", FormatOf(volume.medium())},
          {"space", SpaceOf(service.filesystem())},
          {"options", OptionsOf(service.options())},
          {"features", FeaturesOf(service)},
          {"counters", CountersOf(service)},
          {"layouts", LayoutsOf(volume.layouts())},
          {"failures", FailureCountersOf(service.filesystem())},
          {"live_inodes", volume.live().size()}};
}

}  // namespace holdfast::daemon
