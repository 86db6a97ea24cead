// SPDX-License-Identifier: Apache-2.0
// A recorder of a region that nothing but the persist verbs can change.
#pragma once

#include "tests/crash/guarded_memory.h"
#include "tests/support/recorder.h"

namespace holdfast::tests {

/// Owns zeroed memory and the log of the verbs on the region over it. Threads as the Recorder.
class GuardedRecorder final : public daxcore::Persist {
 public:
  explicit GuardedRecorder(uint64_t size) : memory_(size) { log_.Attach(memory_.writable()); }

  /// Once; this must outlive it.
  std::unique_ptr<daxcore::Region> MakeRegion() { return memory_.MakeRegion(this); }
  Recorder& log() { return log_; }
  const Recorder& log() const { return log_; }
  std::span<const std::byte> bytes() const { return memory_.bytes(); }

  void Store(void* dst, const void* src, size_t n) override {
    log_.Store(memory_.Writable(dst), src, n);
  }
  void Flush(const void* dst, size_t n) override { log_.Flush(memory_.Writable(dst), n); }
  void Drain() override { log_.Drain(); }
  void CopyNt(void* dst, const void* src, size_t n) override {
    log_.CopyNt(memory_.Writable(dst), src, n);
  }
  void ZeroNt(void* dst, size_t n) override { log_.ZeroNt(memory_.Writable(dst), n); }

 private:
  GuardedMemory memory_;
  Recorder log_;
};

}  // namespace holdfast::tests
