// SPDX-License-Identifier: Apache-2.0
// Runs workloads under the recorder, cuts their logs at every drain, and has every image checked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/crash/guarded_recorder.h"
#include "tests/crash/image_check.h"
#include "tests/crash/image_memory.h"
#include "tests/crash/in_flight.h"
#include "tests/crash/outcomes.h"
#include "tests/crash/workload.h"

namespace holdfast::tests {

struct CrashFigures {
  uint64_t workloads = 0;
  uint64_t cuts = 0;
  uint64_t images = 0;     ///< outcomes tried
  uint64_t unique = 0;     ///< different images, each recovered
  uint64_t recovered = 0;  ///< different contents after recovery, each checked in full
  uint64_t failures = 0;

  CrashFigures& operator+=(const CrashFigures& other);
};

struct EnumeratorOptions {
  std::string save_folder = {};  ///< failing images go there; empty: they are not saved
  uint64_t stop_after = 5;       ///< failures of one workload that are reported
  bool stop_at_first = false;    ///< the first failure ends the workload (mutation check)
};

/// Owns the memory for images and the figures. One thread.
class Enumerator {
 public:
  explicit Enumerator(EnumeratorOptions options) : options_(std::move(options)) {}

  /// Makes and keeps the image that a workload starts from; `Run` does it too.
  void Prepare(const Workload& workload) { PreparedImage(*workload.preparation); }
  /// Runs `workload` and checks every image of it. What fails is reported on stderr.
  void Run(const Workload& workload);
  const CrashFigures& figures() const { return figures_; }

 private:
  struct Recording;
  struct Cut;

  const std::vector<std::byte>& PreparedImage(const Preparation& preparation);
  void Record(const Workload& workload, Recording* recording);
  void Enumerate(const Workload& workload, const Recording& recording);
  void TryCut(const Cut& cut);
  void TryOutcome(const Cut& cut, std::string_view kind, std::span<const Survivor> survivors);
  void Apply(const Cut& cut, std::span<const Survivor> survivors);
  void Report(const Cut& cut, std::string_view kind, std::span<const Survivor> survivors,
              const std::string& wrong);

  EnumeratorOptions options_;
  CrashFigures figures_;
  std::map<const Preparation*, std::vector<std::byte>> prepared_;
  std::unique_ptr<ImageMemory> memory_;
  std::unordered_set<uint64_t> seen_images_;
  std::unordered_set<uint64_t> seen_recovered_;
  uint64_t failures_here_ = 0;
};

}  // namespace holdfast::tests
