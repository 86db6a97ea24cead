// SPDX-License-Identifier: Apache-2.0
// The order of the passes, and the superblocks.
#include "fsmeta/checker.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daxcore/media_failure.h"
#include "fsmeta/check_directories.h"
#include "fsmeta/check_inodes.h"
#include "fsmeta/check_journal.h"
#include "fsmeta/check_orphans.h"
#include "fsmeta/check_passes.h"
#include "fsmeta/check_space.h"
#include "fsmeta/check_state.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {

using daxcore::Result;

namespace {

constexpr char kSuperblock[] = "superblock";

// What the two copies have in common: all but their places and checksums.
bool SameContents(Superblock a, Superblock b) {
  a.header.crc32c = b.header.crc32c = 0;
  a.header.self = b.header.self = 0;
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

void CheckSuperblockFields(CheckReport& report, const Superblock& superblock) {
  if (std::ranges::any_of(superblock.reserved, [](uint8_t b) { return b != 0; }) ||
      superblock.header.reserved[0] != 0 || superblock.header.reserved[1] != 0) {
    report.Error(kSuperblock, "", "reserved fields are not 0");
  }
  if ((superblock.flags & ~kFlagEmulated) != 0) {
    report.Error(kSuperblock, "", absl::StrCat("flags ", superblock.flags, " are unknown"));
  }
  if ((superblock.incompat & kIncompatRepairing) != 0) {
    report.Error(kSuperblock, "", "a repair was interrupted: run fsck.holdfast -y again");
  }
  if (superblock.ro_compat != 0 || superblock.compat != 0) {
    report.Note(kSuperblock, "", "has features this program does not know: they are not checked");
  }
}

void CheckSuperblocks(std::span<const std::byte> media, const Superblock& chosen,
                      CheckReport& report) {
  const uint64_t copy_at = (chosen.block_count - 1) << kBlockShift;
  const auto primary = ReadSuperblockCopy(media, 0);
  const auto copy = ReadSuperblockCopy(media, copy_at);
  // One that a power failure tore while a mount wrote it: the other one counts, and the next mount
  // writes both.
  if (!primary) report.Note(kSuperblock, "", ReasonOf(primary.error()));
  if (!copy) report.Note(kSuperblock, "copy", ReasonOf(copy.error()));
  if (primary && copy && primary->header.sequence != copy->header.sequence) {
    report.Note(kSuperblock, "", "is older than its copy: a mount was interrupted");
  } else if (primary && copy && !SameContents(*primary, *copy)) {
    report.Error(kSuperblock, "", "and its copy differ");
  }
  CheckSuperblockFields(report, chosen);
}

}  // namespace

void RunCheckPasses(CheckState& state) {
  ClaimGroups(state);
  if (!CheckInodes(state)) return;
  CheckDirectories(state);
  CheckOrphans(state);
  CheckQuarantine(state);
  CheckLinks(state);
  CheckSpace(state);
}

Result<CheckReport> CheckFilesystem(std::span<const std::byte> media, std::string_view name) {
  CheckReport report;
  const auto superblock = ReadSuperblock(media, name);
  if (!superblock) {
    if (superblock.error().code != EUCLEAN) return std::unexpected(superblock.error());
    report.Error(kSuperblock, "", ReasonOf(superblock.error()));
    return report;
  }
  CheckSuperblocks(media, *superblock, report);
  report.totals.blocks = superblock->block_count;
  CheckImage image(media, *superblock);
  CheckState state{.image = image, .report = report};
  CheckJournal(state);
  RunCheckPasses(state);
  return report;
}

Result<CheckReport> CheckRegion(daxcore::Region& region) {
  HOLDFAST_ASSIGN(const auto failure, daxcore::MediaFailure::Watch(region));
  return CheckRegion(region, *failure);
}

// What is read from failed memory is zeroes, and damage.
Result<CheckReport> CheckRegion(daxcore::Region& region, daxcore::MediaFailure& failure) {
  const std::span<const std::byte> media(region.base(), region.size());
  auto report = CheckFilesystem(media, region.path());
  if (!report && failure.poisoned_loads() == 0) return report;
  if (!report) report = CheckReport();
  if (const auto superblock = ReadSuperblock(media, region.path())) {
    // Of the lanes it reads no more than the records in them.
    const uint64_t blocks = uint64_t{superblock->lane_count} * superblock->lane_blocks;
    (void)failure.Probe(superblock->journal_start << kBlockShift, blocks << kBlockShift);
  }
  for (const daxcore::ByteRange& bad : failure.BadRanges()) {
    report->Error("memory", absl::StrCat("at offset ", bad.offset),
                  absl::StrCat(bad.length, " bytes have failed"));
  }
  return report;
}

}  // namespace holdfast::fsmeta
