// SPDX-License-Identifier: Apache-2.0
// Bugs of the kinds known from the field, switched on in one test program only: the crash tests
// must catch each (tests/crash/README.md). In every other build Seeded() is a constant false.
#pragma once

#include <cstdint>

namespace holdfast::fsmeta {

enum class SeededBug : uint8_t {
  kNone,
  kApplyNotFlushed,          ///< applied lines are never flushed
  kLastLineNotFlushed,       ///< the last line of a run is not flushed
  kApplyNotDrained,          ///< the record is retired without a drain after applying it
  kNewBlocksAfterRecord,     ///< new blocks are written after the record that refers to them
  kRetiredBeforeApplied,     ///< the record is retired first, then applied
  kRetiredNotFlushed,        ///< the number of the retired record is not flushed
  kRecordBeforeData,         ///< no drain between data and the record that refers to them
  kRecordNotDrained,         ///< applying begins before the record is durable
  kReplayStopsEarly,         ///< replay leaves out the last line
  kReplayInWrongOrder,       ///< replay takes the lines in the wrong order
  kReplayNotFlushed,         ///< replayed lines are not flushed
  kReplayNotDrained,         ///< replay retires without a drain
  kTornRecordReplayed,       ///< a record is replayed whatever its checksum
  kRetiredRecordReplayed,    ///< a record is replayed whatever its number
  kBothSuperblocksAtOnce,    ///< both superblocks are written in one drain
  kInodesNotJournaled,       ///< inodes are written in place before the record
  kDirectoriesNotJournaled,  ///< directory blocks are
  kBitmapsNotJournaled,      ///< bitmaps are
  kGroupsNotJournaled,       ///< group headers are
  kTreesNotJournaled,        ///< tree nodes are
  kClustersNotJournaled,     ///< inode cluster heads are
  kOrphansNotJournaled,      ///< orphan blocks are
  kXattrsNotJournaled,       ///< attribute blocks are
  kWriteNotDrained,          ///< a write in place returns without a drain
  kZeroedInPlace,            ///< parts of blocks are zeroed before the commit
  kCowWritesInPlace,         ///< data=cow overwrites in place
  kTruncationNotListed,      ///< an unfinished truncation is not listed as an orphan
  kOrphanNotListed,          ///< an inode without a name is not listed as an orphan
  kRenameUnlinksFirst,       ///< rename removes what it replaces in a transaction of its own
};

#ifdef HOLDFAST_SEEDED_BUGS
/// The one that is on. Set while nothing is mounted.
extern SeededBug seeded_bug;
inline bool Seeded(SeededBug bug) { return seeded_bug == bug; }
#else
constexpr bool Seeded(SeededBug) { return false; }
#endif

}  // namespace holdfast::fsmeta
