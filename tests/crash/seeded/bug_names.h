// SPDX-License-Identifier: Apache-2.0
// The seeded bugs by name.
#pragma once

#include <string_view>

#include "fsmeta/seeded_bug.h"

namespace holdfast::tests {

struct NamedBug {
  fsmeta::SeededBug bug;
  std::string_view name;  ///< in words
};

inline constexpr NamedBug kSeededBugs[] = {
    {fsmeta::SeededBug::kApplyNotFlushed, "applied lines are never flushed"},
    {fsmeta::SeededBug::kLastLineNotFlushed, "the last line of a run is not flushed"},
    {fsmeta::SeededBug::kApplyNotDrained,
     "the record is retired without a drain after applying it"},
    {fsmeta::SeededBug::kNewBlocksAfterRecord,
     "new blocks are written after the record that refers to them"},
    {fsmeta::SeededBug::kRetiredBeforeApplied, "the record is retired first, then applied"},
    {fsmeta::SeededBug::kRetiredNotFlushed, "the number of the retired record is not flushed"},
    {fsmeta::SeededBug::kRecordBeforeData,
     "no drain between data and the record that refers to them"},
    {fsmeta::SeededBug::kRecordNotDrained, "applying begins before the record is durable"},
    {fsmeta::SeededBug::kReplayStopsEarly, "replay leaves out the last line"},
    {fsmeta::SeededBug::kReplayInWrongOrder, "replay takes the lines in the wrong order"},
    {fsmeta::SeededBug::kReplayNotFlushed, "replayed lines are not flushed"},
    {fsmeta::SeededBug::kReplayNotDrained, "replay retires without a drain"},
    {fsmeta::SeededBug::kTornRecordReplayed, "a record is replayed whatever its checksum"},
    {fsmeta::SeededBug::kRetiredRecordReplayed, "a record is replayed whatever its number"},
    {fsmeta::SeededBug::kBothSuperblocksAtOnce, "both superblocks are written in one drain"},
    {fsmeta::SeededBug::kInodesNotJournaled, "inodes are written in place before the record"},
    {fsmeta::SeededBug::kDirectoriesNotJournaled,
     "directory blocks are written in place before the record"},
    {fsmeta::SeededBug::kBitmapsNotJournaled, "bitmaps are written in place before the record"},
    {fsmeta::SeededBug::kGroupsNotJournaled,
     "group headers are written in place before the record"},
    {fsmeta::SeededBug::kTreesNotJournaled, "tree nodes are written in place before the record"},
    {fsmeta::SeededBug::kClustersNotJournaled,
     "inode cluster heads are written in place before the record"},
    {fsmeta::SeededBug::kOrphansNotJournaled,
     "orphan blocks are written in place before the record"},
    {fsmeta::SeededBug::kXattrsNotJournaled,
     "attribute blocks are written in place before the record"},
    {fsmeta::SeededBug::kWriteNotDrained, "a write in place returns without a drain"},
    {fsmeta::SeededBug::kZeroedInPlace, "parts of blocks are zeroed before the commit"},
    {fsmeta::SeededBug::kCowWritesInPlace, "data=cow overwrites in place"},
    {fsmeta::SeededBug::kTruncationNotListed,
     "an unfinished truncation is not listed as an orphan"},
    {fsmeta::SeededBug::kOrphanNotListed, "an inode without a name is not listed as an orphan"},
    {fsmeta::SeededBug::kRenameUnlinksFirst,
     "rename removes what it replaces in a transaction of its own"},
};

}  // namespace holdfast::tests
