// SPDX-License-Identifier: Apache-2.0
// Journal lanes: where a transaction's redo record becomes durable before it is applied.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// A run of free blocks lent to a record that does not fit its lane. Free on the medium throughout.
struct Spill {
  Pfn start;
  BlockCount length;
};

/// Lends free blocks for spilled records (the allocator implements it). Thread-safe.
class SpillSource {
 public:
  virtual ~SpillSource() = default;
  /// A contiguous run of `n` free blocks nobody else gets until returned; ENOSPC. Never takes a
  /// resource lock that a transaction may hold.
  virtual Result<Spill> Borrow(BlockCount n) = 0;
  virtual void Return(const Spill& spill) = 0;
};

/// What a record contains: `lines[i]` is a region byte offset / 64, `contents(i)` its new 64 bytes.
struct JournalRecord {
  uint64_t sequence = 0;
  std::span<const uint64_t> lines;
  std::function<const std::byte*(size_t)> contents;
};

/// All lanes of a mounted filesystem. Thread-safe: a record occupies a lane from Begin to Retire.
class Journal {
 public:
  /// Checks the lane heads. `medium` outlives the journal.
  static Result<std::unique_ptr<Journal>> Open(Medium& medium);
  ~Journal();

  /// Formats every lane of a new filesystem (mkfs).
  static void Format(Region& region, const Superblock& superblock);
  /// Applies every live record of a filesystem that is being opened; O(lanes + live records).
  /// Returns how many were applied. EUCLEAN: a lane head is unsound, or a live record names lines
  /// outside the filesystem.
  static Result<uint64_t> Replay(Medium& medium);

  /// Lines of a record that fit one lane.
  uint64_t lane_lines() const { return lane_lines_; }
  void set_spill_source(SpillSource* source) { spill_source_ = source; }

  /// A durable record, not yet retired. Occupies its lane; must be retired.
  struct Ticket {
    uint32_t lane = 0;
    uint64_t number = 0;
    Spill spill{};
  };
  /// Writes the record and drains: from here on it will be applied, by us or by the next mount.
  /// Also makes durable whatever this thread wrote before. ENOSPC: no spill could be borrowed.
  Result<Ticket> Begin(const JournalRecord& record);
  /// After the record was applied and drained: forgets it, durably, and frees the lane.
  void Retire(const Ticket& ticket);

 private:
  struct Lanes;
  explicit Journal(Medium& medium);
  Medium& medium_;
  SpillSource* spill_source_ = nullptr;
  uint64_t lane_lines_ = 0;
  std::unique_ptr<Lanes> lanes_;
};

}  // namespace holdfast::fsmeta
