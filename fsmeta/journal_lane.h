// SPDX-License-Identifier: Apache-2.0
// One journal lane as it lies on the medium: its head, whether it holds a live record, and how a
// record is written. Replay, fsck and dump read lanes through this; only the journal writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daxcore/persist.h"
#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// What a record contains: `lines[i]` is a region byte offset / 64, `contents[i]` its new 64 bytes.
/// Lines are in ascending order, each once.
struct JournalRecord {
  uint64_t sequence = 0;
  std::span<const uint64_t> lines;
  std::span<const std::byte* const> contents;
};

/// A run of blocks that holds the body of a record too big for its lane.
struct Spill {
  Pfn start;
  BlockCount length;
};

/// A record that was written in full and not retired: what replay applies.
struct LiveRecord {
  uint64_t number;
  uint64_t sequence;
  Spill spill;                       ///< length 0: the record is in the lane
  std::vector<uint64_t> lines;       ///< a copy: replaying must not change what it was checked for
  std::span<const std::byte> bytes;  ///< on the medium, 64 for each line
};

/// What a lane says.
struct LaneState {
  uint64_t retired;
  std::optional<LiveRecord> live;
};

/// Lines of line numbers that `lines` changed lines need.
constexpr uint64_t NumberLines(uint64_t lines) { return (lines + 7) / 8; }
/// Lines that fit a record kept in a lane of `lane_blocks` blocks.
uint64_t LaneCapacity(uint64_t lane_blocks);
/// Blocks a spilled record of `lines` changed lines needs.
BlockCount SpillBlocksFor(uint64_t lines);
/// Byte offset of a lane in the region.
uint64_t LaneOffset(const Superblock& superblock, uint32_t lane);

/// Reads a lane of `media`, the bytes of the whole filesystem. A torn, retired or foreign record is
/// no record. EUCLEAN: the lane's head is unsound, or a complete record names lines or a spill
/// outside the filesystem or inside the journal.
Result<LaneState> ReadLane(std::span<const std::byte> media, const Superblock& superblock,
                           uint32_t lane);

/// The complete record of a lane, whatever the lane's head says of it, for repair. EUCLEAN: it
/// names lines or a spill outside the filesystem or inside the journal.
Result<std::optional<LiveRecord>> ReadRecord(std::span<const std::byte> media,
                                             const Superblock& superblock, uint32_t lane);

/// Writes the head of an empty lane. Needs a drain.
void FormatLane(Region& region, const Superblock& superblock, uint32_t lane);

/// Writes `record` as number `number` of `lane`, its body into the lane or into `spill` (if its
/// length is not 0). Non-temporal throughout: needs a drain, after which the record is live.
void WriteRecord(const Medium& medium, uint32_t lane, uint64_t number, const JournalRecord& record,
                 const Spill& spill);

}  // namespace holdfast::fsmeta
