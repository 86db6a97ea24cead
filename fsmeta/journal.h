// SPDX-License-Identifier: Apache-2.0
// Journal lanes: where a transaction's redo record becomes durable before it is applied.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// Lends free blocks for spilled records (the allocator implements it). Thread-safe.
class SpillSource {
 public:
  virtual ~SpillSource() = default;
  /// A contiguous run of `n` blocks, free on the medium, that nobody else gets until returned;
  /// ENOSPC. Never takes a resource lock that a transaction may hold.
  virtual Result<Spill> Borrow(BlockCount n) = 0;
  virtual void Return(const Spill& spill) = 0;
};

/// Owns the lanes of a mounted filesystem. Thread-safe: a record occupies a lane from Begin to
/// Retire, and Begin waits while all are occupied. After a crash the live records are what Replay
/// finds; nothing else of the journal matters then.
class Journal {
 public:
  /// Reads the lane heads. `medium` outlives the journal. EUCLEAN: a head is unsound, or a lane
  /// still holds a live record (Replay comes first).
  static Result<std::unique_ptr<Journal>> Open(Medium& medium);
  ~Journal();

  /// Formats every lane of a new filesystem (mkfs). Needs a drain.
  static void Format(Region& region, const Superblock& superblock);
  /// Applies every live record of a filesystem that is being opened and retires it; O(lanes + live
  /// records), idempotent. Returns how many there were. EUCLEAN: a lane is unsound; then nothing
  /// was changed. EROFS: there are live records and the region is not writable.
  static Result<uint64_t> Replay(Medium& medium);

  /// Lines of a record that fit one lane.
  uint64_t lane_lines() const { return lane_lines_; }
  /// Before the first transaction; without one a record that does not fit a lane is ENOSPC.
  void set_spill_source(SpillSource* source) { spill_source_ = source; }

  /// A durable record, not yet retired. Occupies its lane; must be retired.
  struct Ticket {
    uint32_t lane = 0;
    uint64_t number = 0;
    Spill spill{};
  };
  /// Writes the record and drains: from here on it will be applied, by us or by the next mount.
  /// Whatever this thread wrote before is durable before the record can become valid. ENOSPC: no
  /// spill could be borrowed. EIO: memory has failed; the next mount may find the record or not.
  Result<Ticket> Begin(const JournalRecord& record);
  /// After the record was applied and drained: forgets it, durably, and frees the lane.
  void Retire(const Ticket& ticket);

 private:
  struct Lanes;
  explicit Journal(Medium& medium);
  Result<Spill> BorrowFor(const JournalRecord& record);

  Medium& medium_;
  SpillSource* spill_source_ = nullptr;
  uint64_t lane_lines_ = 0;
  std::unique_ptr<Lanes> lanes_;
};

}  // namespace holdfast::fsmeta
