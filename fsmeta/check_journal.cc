// SPDX-License-Identifier: Apache-2.0
// The pass over the journal.
#include "fsmeta/check_journal.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/journal_lane.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kLaneName[] = "journal lane";

using LinesByLane = absl::flat_hash_map<uint64_t, uint32_t>;

void Overlay(CheckState& state, uint32_t lane, const LiveRecord& record, LinesByLane& lines) {
  for (const uint64_t line : record.lines) {
    const auto [other, is_new] = lines.emplace(line, lane);
    if (is_new) continue;
    // Replay order would matter: transactions that overlap never are live together.
    state.report.Error(kLaneName, absl::StrCat(lane),
                       absl::StrCat("its record and lane ", other->second,
                                    "'s both change the line at byte ", line * kLine));
    break;
  }
  ++state.report.totals.live_records;
  state.report.Note(kLaneName, absl::StrCat(lane),
                    absl::StrCat("holds a record that the next mount replays (transaction ",
                                 record.sequence, ", ", record.lines.size(), " lines)"));
  if (record.spill.length.value() != 0) state.spills.push_back(record.spill);
  state.image.Apply(record);
}

}  // namespace

void CheckJournal(CheckState& state) {
  const Superblock& superblock = state.image.superblock();
  LinesByLane lines;
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    const auto read = ReadLane(state.image.media(), superblock, lane);
    if (!read) {
      state.report.Error(kLaneName, absl::StrCat(lane), ReasonOf(read.error()));
    } else if (read->live) {
      Overlay(state, lane, *read->live, lines);
    }
  }
}

}  // namespace holdfast::fsmeta
