// SPDX-License-Identifier: Apache-2.0
// The stages of a repair in their order.
#include "fsmeta/repairer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daxcore/media_failure.h"
#include "fsmeta/check_journal.h"
#include "fsmeta/check_passes.h"
#include "fsmeta/check_space.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/checker.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/lost_and_found.h"
#include "fsmeta/repair_conflicts.h"
#include "fsmeta/repair_directories.h"
#include "fsmeta/repair_groups.h"
#include "fsmeta/repair_inode_file.h"
#include "fsmeta/repair_lists.h"
#include "fsmeta/repair_slots.h"
#include "fsmeta/repair_state.h"
#include "fsmeta/repair_superblock.h"
#include "fsmeta/repair_writer.h"

namespace holdfast::fsmeta {
namespace {

class Repairer {
 public:
  Repairer(Region& region, MediaFailure& failure, const RepairOptions& options,
           const Superblock& superblock)
      : region_(region),
        failure_(failure),
        options_(options),
        image_({region.base(), region.size()}, superblock),
        state_{.image = image_, .log = report_.log, .space = RepairSpace(superblock.block_count)} {
    const auto boot_id = options.boot_id.value_or(daxcore::CurrentBootId());
    state_.quarantine_counts = std::ranges::equal(boot_id, superblock.boot_id);
  }

  Result<RepairReport> Run() {
    report_.outcome = RepairOutcome::kRefused;
    ReadJournal();
    HoldWhatIsThere();
    image_.set_mending(true);
    if (auto staged = RunStages(); !staged) {
      // Room, and quarantine of this boot: whatever it is, nothing has been changed.
      report_.why = staged.error().message;
      return std::move(report_);
    }
    TellOfTheRest();
    image_.set_mending(false);
    if (!IsCleanNow()) return std::move(report_);
    if (report_.log.lost() != 0 && !options_.may_lose) {
      report_.why = absl::StrCat(report_.log.lost(), " of these changes lose something: ",
                                 "look at them, then run fsck.holdfast -y");
      return std::move(report_);
    }
    HOLDFAST_TRY(WriteRepair(region_, failure_, state_, {unsound_lanes_, failed_}));
    report_.outcome = RepairOutcome::kRepaired;
    return std::move(report_);
  }

 private:
  const Superblock& superblock() const { return image_.superblock(); }
  std::span<const std::byte> media() const { return {region_.base(), region_.size()}; }

  void ReadJournal() {
    for (uint32_t lane = 0; lane < superblock().lane_count; ++lane) {
      if (ReadLane(media(), superblock(), lane)) continue;
      unsound_lanes_.push_back(lane);
      SaveRecord(lane);
    }
    CheckReport scratch;
    CheckState check{.image = image_, .report = scratch};
    CheckJournal(check);
  }

  // Of an unsound lane: which of its records was the last to be applied is not known any more.
  void SaveRecord(uint32_t lane) {
    const auto record = ReadRecord(media(), superblock(), lane);
    if (!record) {
      return state_.log.Lost("journal lane", lane, "its record can only be dropped");
    }
    if (!*record || IsApplied(**record)) {
      return state_.log.Fixed("journal lane", lane, "is unsound; it is emptied");
    }
    image_.Apply(**record);
    state_.log.Fixed("journal lane", lane, "is unsound; its record is applied, and it is emptied");
  }

  // Every transaction that changes an object raises the sequence in the object's header.
  bool IsApplied(const LiveRecord& record) const {
    for (size_t i = 0; i < record.lines.size(); ++i) {
      ObjectHeader after, now;
      std::memcpy(&after, record.bytes.data() + i * kLine, sizeof(after));
      std::memcpy(&now, region_.At(record.lines[i] * kLine), sizeof(now));
      const bool is_header = after.self == record.lines[i] * kLine &&
                             std::ranges::equal(after.uuid, superblock().header.uuid);
      const bool is_same = now.self == after.self && now.magic == after.magic &&
                           std::ranges::equal(now.uuid, after.uuid);
      if (is_header && is_same && now.sequence < after.sequence) return false;
    }
    return true;
  }

  // Nothing that anybody might still need is written over before the end.
  void HoldWhatIsThere() {
    CheckReport scratch;
    CheckState check{.image = image_, .report = scratch};
    ClaimFixedBlocks(check);
    RunCheckPasses(check);
    state_.space.HoldAll(check.claims);
    for (uint64_t group = 0; group < superblock().group_count; ++group) HoldGroup(group);
    for (const ByteRange& bad : failure_.BadRanges()) {
      state_.space.Hold(bad.offset >> kBlockShift, BlocksFor(bad.length).value() + 1);
    }
  }

  // Bits of the old bitmap, and blocks that the reverse map remembers.
  void HoldGroup(uint64_t group) {
    const GroupLayout layout = LayoutOfGroup(superblock(), group);
    for (uint64_t i = 0; i < layout.bitmap_blocks.value(); ++i) {
      const auto bitmap =
          image_.Block<BitmapBlock>(layout.bitmap + BlockCount(i), ObjectType::kBitmap, group);
      if (!bitmap) continue;
      for (uint64_t bit = 0; bit < kBitsPerBitmapBlock; ++bit) {
        const uint64_t in_group = i * kBitsPerBitmapBlock + bit;
        const bool used = ((*bitmap)->bits[bit / 64] >> (bit % 64) & 1) != 0;
        if (used && in_group < layout.blocks.value()) {
          state_.space.HoldBack(layout.start.value() + in_group, 1);
        }
      }
    }
    const auto header = image_.Block<GroupHeader>(layout.header, ObjectType::kGroupHeader, group);
    if (!header) return;
    WalkTree(
        image_, nullptr, {TreeKind::kReverseMap, group, "group", ""}, (*header)->reverse_map,
        [&](Pfn node) { return image_.Contains(node.value(), 1); },
        [&](const TreeRecord& record) {
          const uint64_t block = record.key.words[0];
          const uint64_t length = record.value[0] & 0xffffffff;
          if (image_.FaultInRun(block, length) == nullptr) state_.space.Hold(block, length);
        });
  }

  Result<void> RunStages() {
    HOLDFAST_TRY(RepairInodeFile(state_));
    HOLDFAST_TRY(RepairSlots(state_));
    HOLDFAST_TRY(RepairConflicts(state_));
    HOLDFAST_TRY(RepairDirectories(state_));
    HOLDFAST_TRY(LostAndFound(state_).Run());
    HOLDFAST_TRY(RepairOrphanFile(state_));
    HOLDFAST_TRY(RepairQuarantineFile(state_));
    RepairClusterHeads(state_);
    return RepairGroups(state_);
  }

  void TellOfTheRest() {
    if (image_.mended() != 0) {
      state_.log.Fixed(absl::StrCat("headers of ", image_.mended(), " objects are corrected"));
    }
    if (state_.log.count() == 0) state_.log.Fixed("superblock: both copies are written anew");
  }

  // What a mount would find must pass the check that fsck -n makes.
  bool IsCleanNow() {
    CheckReport after;
    CheckState check{.image = image_, .report = after};
    RunCheckPasses(check);
    FindFailed(check.claims);
    if (after.clean()) return true;
    report_.why = absl::StrCat("this damage is beyond repair (", after.errors(),
                               " errors would remain, the first: ", FirstError(after).Text(),
                               "); copy what can be read, then format it");
    return false;
  }

  // Failed blocks but those of files, whose contents nobody has read.
  void FindFailed(const Claims& claims) {
    for (const ByteRange& bad : failure_.BadRanges()) {
      const uint64_t start = bad.offset >> kBlockShift;
      const uint64_t end =
          std::min(start + BlocksFor(bad.length).value(), superblock().block_count);
      if (start >= end) continue;
      claims.ForEachCoverage(start, end, [this](const Coverage& part) {
        if (part.owners != 0 && part.may_share) return;
        failed_.push_back({Pfn(part.start), BlockCount(part.length)});
      });
    }
  }

  static const Finding& FirstError(const CheckReport& report) {
    return *std::ranges::find(report.findings(), Severity::kError, &Finding::severity);
  }

  Region& region_;
  MediaFailure& failure_;
  const RepairOptions& options_;
  RepairReport report_;
  CheckImage image_;
  RepairState state_;
  std::vector<uint32_t> unsound_lanes_;
  std::vector<BlockRun> failed_;
};

// A lost one is no damage while the other is there, but it is the spare.
bool BothSuperblocksAreSound(const Region& region) {
  const std::span media(region.base(), region.size());
  const auto superblock = ReadSuperblock(media, region.path());
  return superblock && ReadSuperblockCopy(media, 0) &&
         ReadSuperblockCopy(media, (superblock->block_count - 1) << kBlockShift);
}

}  // namespace

Result<RepairReport> RepairRegion(Region& region, const RepairOptions& options) {
  // One for all of it: only the first who meets a failed page hears of it.
  HOLDFAST_ASSIGN(const auto failure, MediaFailure::Watch(region));
  HOLDFAST_ASSIGN(CheckReport before, CheckRegion(region, *failure));
  if (before.clean() && BothSuperblocksAreSound(region))
    return RepairReport{.check = std::move(before)};
  const auto superblock = ChooseSuperblock({region.base(), region.size()}, region.path());
  if (!superblock) {
    if (superblock.error().code != EUCLEAN) return std::unexpected(superblock.error());
    return RepairReport{.outcome = RepairOutcome::kRefused,
                        .why = superblock.error().message,
                        .check = std::move(before)};
  }
  HOLDFAST_TRY(CheckWritable(*superblock, region.path()));
  HOLDFAST_ASSIGN(RepairReport report, Repairer(region, *failure, options, *superblock).Run());
  if (report.outcome == RepairOutcome::kRefused) {
    report.check = std::move(before);
    return report;
  }
  HOLDFAST_ASSIGN(report.check, CheckRegion(region, *failure));
  return report;
}

}  // namespace holdfast::fsmeta
