// SPDX-License-Identifier: Apache-2.0
// Prometheus text exposition.
#include "daemon/prometheus.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "daxcore/media_failure.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

std::string Quoted(std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') quoted.push_back('\\');
    quoted.append(c == '\n' ? "\\n" : std::string(1, c));
  }
  return quoted + "\"";
}

// Collects samples under one set of labels that every one of them carries.
class Exposition {
 public:
  explicit Exposition(std::string labels) : labels_(std::move(labels)) {}

  void Family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP holdfast_{0} {1}\n# TYPE holdfast_{0} {2}\n", name, help, type);
  }
  template <typename Value>
  void Sample(std::string_view name, Value value, std::string_view more_labels = "") {
    text_ += fmt::format("holdfast_{}{{{}{}}} {}\n", name, labels_, more_labels, value);
  }
  template <typename Value>
  void Single(std::string_view name, std::string_view type, std::string_view help, Value value) {
    Family(name, type, help);
    Sample(name, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  const std::string labels_;
  std::string text_;
};

// `buckets[i]` counts what took less than 2^i microseconds; the last one the rest.
template <typename Buckets>
void AddHistogram(Exposition& out, const Buckets& buckets, uint64_t sum_us, std::string_view name,
                  std::string_view labels) {
  uint64_t below = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    below += buckets[i];
    const double bound = static_cast<double>(uint64_t{1} << i) * 1e-6;
    const std::string le = i + 1 < buckets.size() ? fmt::format("{:g}", bound) : "+Inf";
    out.Sample(fmt::format("{}_bucket", name), below, fmt::format("{},le=\"{}\"", labels, le));
  }
  out.Sample(fmt::format("{}_sum", name), static_cast<double>(sum_us) * 1e-6, labels);
  out.Sample(fmt::format("{}_count", name), below, labels);
}

void AddOperations(Exposition& out, const Metrics& metrics) {
  out.Family("operation_errors_total", "counter", "Requests answered with an error.");
  for (size_t i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    out.Sample("operation_errors_total", metrics.Totals(op).errors,
               fmt::format(",operation=\"{}\"", NameOf(op)));
  }
  out.Family("operation_seconds", "histogram", "From the start of a request to its reply.");
  for (size_t i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    const OpTotals totals = metrics.Totals(op);
    if (totals.count == 0) continue;
    AddHistogram(out, totals.buckets, totals.sum_us, "operation_seconds",
                 fmt::format(",operation=\"{}\"", NameOf(op)));
  }
  out.Single("read_bytes_total", "counter", "Bytes of file data read.", metrics.bytes_read.load());
  out.Single("written_bytes_total", "counter", "Bytes of file data written.",
             metrics.bytes_written.load());
}

void AddLayouts(Exposition& out, daxcore::LayoutManager& layouts) {
  const daxcore::LayoutMetrics& m = layouts.metrics();
  out.Single("layout_breaks_total", "counter", "Breaks that found anything mapped or leased.",
             m.breaks.load());
  out.Single("layout_waits_total", "counter", "Times a break had to wait.", m.waits.load());
  out.Single("layout_interrupts_total", "counter", "Waits that ended with EINTR.",
             m.interrupts.load());
  out.Single("lease_recalls_total", "counter", "Leases recalled.", m.recalls.load());
  out.Single("lease_timeouts_total", "counter", "Recalled leases that became void.",
             m.lease_timeouts.load());
  out.Single("busy_timeouts_total", "counter", "Breaks that gave up waiting.",
             m.busy_timeouts.load());
  out.Single("busy_failures_total", "counter", "Breaks refused with EBUSY.",
             m.busy_failures.load());
  out.Single("quarantined_blocks_total", "counter", "Blocks that ever went into quarantine.",
             m.quarantined_blocks.load());
  out.Single("quarantined_bytes", "gauge", "Bytes in quarantine now.",
             daxcore::Bytes(layouts.quarantine().blocks()));
  out.Single("media_failures_total", "counter", "Media failures reported.", m.failures.load());
  out.Single("media_failure_holders_told_total", "counter",
             "Leases and pins whose holder was told of a failure.", m.holders_told.load());
  out.Family("break_wait_seconds", "histogram", "From the first block of a break to its end.");
  AddHistogram(out, m.break_wait.buckets(), m.break_wait.sum_us(), "break_wait_seconds", "");
  out.Family("recall_seconds", "histogram", "From the recall of a lease to its return.");
  AddHistogram(out, m.recall_time.buckets(), m.recall_time.sum_us(), "recall_seconds", "");
}

void AddFailures(Exposition& out, fsmeta::Volume& volume) {
  uint64_t bad = 0;
  for (const daxcore::ByteRange& range : volume.failure().BadRanges()) bad += range.length;
  out.Single("bad_bytes", "gauge", "Bytes of the region known to have failed.", bad);
  out.Single("poisoned_loads_total", "counter", "Loads of metadata that met failed memory.",
             volume.failure().poisoned_loads());
  out.Single("page_canary_hits_total", "counter",
             "Pages truncated while in use. Anything but 0 is a bug of Holdfast.",
             volume.pages().canary_hits());
  out.Single("allocator_oracle_hits_total", "counter",
             "Blocks about to be given away while in use. Anything but 0 is a bug of Holdfast.",
             volume.allocator().oracle_hits());
}

}  // namespace

std::string PrometheusText(Service& service) {
  fsmeta::Volume& volume = service.filesystem().volume();
  Exposition out("region=" + Quoted(volume.region().path()));
  AddOperations(out, service.metrics());
  AddLayouts(out, volume.layouts());
  AddFailures(out, volume);
  out.Single("parked_requests", "gauge", "Requests that wait.", service.parking_lot().size());
  out.Single("live_inodes", "gauge", "Inodes in core.", volume.live().size());
  out.Single("shut_down", "gauge", "1 after metadata failed.",
             volume.medium().is_shut_down() ? 1 : 0);
  if (const auto stat = service.filesystem().GetStatFs()) {
    out.Single("free_bytes", "gauge", "Free space.", stat->free * daxcore::kBlockSize);
    out.Single("size_bytes", "gauge", "All space.", stat->blocks * daxcore::kBlockSize);
  }
  return out.Take();
}

daxcore::Result<void> WriteMetricsFile(Service& service, const std::string& path) {
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << PrometheusText(service);
  file.close();
  if (!file || rename(fresh.c_str(), path.c_str()) != 0) {
    return daxcore::FailErrno(errno, "cannot write metrics file", path);
  }
  return {};
}

}  // namespace holdfast::daemon
