// SPDX-License-Identifier: Apache-2.0
// The gate that every change of a filesystem goes through, and which can be closed (rule F7).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace holdfast::fsmeta {

/// Counts who is inside, without a cache line that all threads share. Thread-safe. A thread that is
/// inside does not enter again, and holds no lock when it enters.
class OperationGate {
  struct Shard;

 public:
  /// Being inside; movable.
  class Pass {
   public:
    Pass(Pass&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), shard_(other.shard_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave(*shard_);
    }

   private:
    friend class OperationGate;
    Pass(OperationGate* gate, Shard* shard) : gate_(gate), shard_(shard) {}
    OperationGate* gate_;
    Shard* shard_;
  };

  /// Waits while the gate is closed.
  [[nodiscard]] Pass Enter();
  /// Lets nobody in any more, and waits until all have left.
  void Close();
  void Open();

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::atomic<uint64_t> inside{0};
  };

  void Leave(Shard& shard);
  bool IsEmpty() const;
  void WaitUntilOpen();

  std::array<Shard, kShards> shards_;
  std::atomic<bool> closed_{false};
  absl::Mutex mutex_;  // of those who wait; released whenever what they wait for may have come
};

}  // namespace holdfast::fsmeta
