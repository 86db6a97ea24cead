// SPDX-License-Identifier: Apache-2.0
// A Persist that hands on every store and writes it down, so that crash images can be built from
// it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/persist.h"
#include "daxcore/region.h"

namespace holdfast::tests {

/// What one entry of the log is.
enum class PersistEvent : uint8_t {
  kStore,   ///< cached store: durable after a flush of its lines and a drain
  kCopyNt,  ///< non-temporal store: durable after a drain
  kZeroNt,  ///< non-temporal zeroes, bytes not kept in the log
  kFlush,   ///< write-back of lines started
  kDrain,   ///< everything this thread flushed or stored non-temporally before is durable
  kMark,    ///< set by the test; `tag` says which
};

/// One event. Offsets and lengths in bytes of the region.
struct RecordedEvent {
  PersistEvent kind;
  pid_t thread;         ///< who did it: a drain covers its own thread's stores only
  uint64_t offset = 0;  ///< of the region; 0 for drains and marks
  uint64_t length = 0;  ///< 0 for drains and marks
  uint64_t tag = 0;     ///< of a mark; else where the log keeps the bytes
};

/// Owns a log of persist events in the order they were done. Thread-safe, except that the log may
/// only be read while nobody stores. Serves one region at a time; nothing of it survives the
/// process.
class Recorder final : public daxcore::Persist {
 public:
  /// A zeroed region in memory whose verbs are recorded here. The recorder must outlive it.
  std::unique_ptr<daxcore::Region> MakeRegion(uint64_t size);
  /// Takes offsets from the base of `region`, which was made with this recorder; `verbs` store.
  void Attach(const daxcore::Region& region, daxcore::Persist& verbs) {
    base_ = region.base();
    verbs_ = &verbs;
  }
  void Attach(const daxcore::Region& region) { Attach(region, region.own_persist()); }

  void Store(void* dst, const void* src, size_t n) override;
  void Flush(const void* dst, size_t n) override;
  void Drain() override;
  void CopyNt(void* dst, const void* src, size_t n) override;
  void ZeroNt(void* dst, size_t n) override;

  /// Puts a mark into the log, for example where an operation returned.
  void Mark(uint64_t tag);
  /// Stores go on, but are not written down until `Resume`.
  void Pause();
  void Resume();
  /// Forgets everything so far, for example once the initial image was copied.
  void Clear();

  /// The log. Valid until the next event or Clear.
  std::span<const RecordedEvent> Events() const;
  /// Bytes of a kStore or kCopyNt event.
  std::span<const std::byte> BytesOf(const RecordedEvent& event) const;
  /// Does the part of a store event that lies in bytes [from, from + count) of the region to
  /// `image`, a copy of the region. Flushes, drains and marks change nothing.
  void Apply(const RecordedEvent& event, std::span<std::byte> image, uint64_t from = 0,
             uint64_t count = UINT64_MAX) const;

 private:
  void Log(PersistEvent kind, const void* dst, size_t n, const void* bytes);

  const std::byte* base_ = nullptr;
  daxcore::Persist* verbs_ = nullptr;
  mutable absl::Mutex mutex_;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<RecordedEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::byte> bytes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::tests
