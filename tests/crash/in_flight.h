// SPDX-License-Identifier: Apache-2.0
// The stores that a power failure may or may not lose: those not yet covered by a drain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/recorder.h"

namespace holdfast::tests {

/// One store, or the part of one in one cache line: what reaches the medium or does not.
struct StoreUnit {
  uint64_t offset = 0;               ///< bytes of the region
  std::span<const std::byte> bytes;  ///< what it stores
  bool cached = false;               ///< else non-temporal
  bool flushed = false;              ///< cached: its line was flushed
  bool whole_blocks() const { return bytes.size() > kLargestLineStore; }
  uint64_t end() const { return offset + bytes.size(); }

  /// Longer stores outside of the journal are data (file contents, new blocks): taken as a whole,
  /// or without their first, middle or last line.
  static constexpr size_t kLargestLineStore = 256;
};

/// A range of bytes of the region.
struct ByteRange {
  uint64_t start = 0;
  uint64_t end = 0;
};

/// Follows the log of one thread. Pointers into the recorder's log stay valid while that does.
class InFlight {
 public:
  /// Stores in `split`, the journal, are always taken line by line.
  explicit InFlight(ByteRange split) : split_(split) {}

  /// Takes a store or a flush.
  void Add(const Recorder& recorder, const RecordedEvent& event);
  /// What is in flight, oldest first.
  std::span<const StoreUnit> units() const { return units_; }
  /// A drain: returns what it makes durable, oldest first. A store that was not flushed stays.
  std::vector<StoreUnit> Drain();

 private:
  void AddStore(uint64_t offset, std::span<const std::byte> bytes, bool cached);

  ByteRange split_;
  std::vector<StoreUnit> units_;
};

}  // namespace holdfast::tests
