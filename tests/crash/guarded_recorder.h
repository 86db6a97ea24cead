// SPDX-License-Identifier: Apache-2.0
// A recorder of a region that nothing but the persist verbs can change.
#pragma once

#include "tests/crash/guarded_memory.h"
#include "tests/support/recorder.h"

namespace holdfast::tests {

/// Owns zeroed memory and the log of the verbs on the region over it. Threads as the Recorder.
class GuardedRecorder {
 public:
  explicit GuardedRecorder(uint64_t size) : memory_(size) {}

  /// Once; this must outlive it.
  std::unique_ptr<daxcore::Region> MakeRegion() {
    auto region = memory_.MakeRegion(&log_);
    log_.Attach(*region, memory_);
    return region;
  }
  Recorder& log() { return log_; }
  const Recorder& log() const { return log_; }
  std::span<const std::byte> bytes() const { return memory_.bytes(); }

 private:
  GuardedMemory memory_;
  Recorder log_;
};

}  // namespace holdfast::tests
