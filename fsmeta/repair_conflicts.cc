// SPDX-License-Identifier: Apache-2.0
// Finding blocks with owners that may not share, and deciding.
#include "fsmeta/repair_conflicts.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "fsmeta/check_inodes.h"
#include "fsmeta/check_orphans.h"
#include "fsmeta/check_space.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/repair_extents.h"
#include "fsmeta/slot_fields.h"

namespace holdfast::fsmeta {
namespace {

// One extent's part of a block: {file block, block} in the inode that is to lose it.
using Loss = std::pair<uint64_t, uint64_t>;

ObjectType TypeOfBlocks(uint64_t ino) {
  if (ino == kInoOrphanFile) return ObjectType::kOrphans;
  return ino == kInoQuarantine ? ObjectType::kQuarantine : ObjectType::kDirectory;
}

class Repair {
 public:
  explicit Repair(RepairState& state)
      : state_(state), check_{.image = state.image, .report = scratch_} {}

  Result<void> Run() {
    ClaimFixedBlocks(check_);
    CheckInodes(check_);
    CheckQuarantine(check_);
    check_.claims.Sort();
    for (uint64_t group = 0; group < state_.superblock().group_count; ++group) {
      const GroupLayout layout = LayoutOfGroup(state_.superblock(), group);
      const uint64_t start = layout.start.value();
      check_.claims.ForEachCoverage(start, start + layout.blocks.value(),
                                    [&](const Coverage& coverage) {
                                      if (coverage.owners >= 2) Judge(coverage);
                                    });
    }
    for (const auto& [ino, losses] : losses_) HOLDFAST_TRY(Take(ino, losses));
    return {};
  }

 private:
  enum Rank { kFixed, kNamed, kFile, kUnnamed };

  Rank RankOf(const Claim& claim, uint64_t block) {
    switch (claim.kind) {
      case ClaimKind::kMetadata:
        return kFixed;
      case ClaimKind::kFileData:
      case ClaimKind::kQuarantine:
        return kFile;
      case ClaimKind::kSystemData:
        break;
    }
    if (claim.ino == kInoInodeFile) {
      const auto& places =
          state_.clusters[(claim.file_block + block - claim.start) / kClusterBlocks];
      return std::ranges::find(places, Pfn(block)) == places.end() ? kUnnamed : kNamed;
    }
    const auto loaded = state_.image.Load(
        {TypeOfBlocks(claim.ino), block << kBlockShift, kMetadataBlock, claim.ino});
    return loaded ? kNamed : kUnnamed;
  }

  void Judge(const Coverage& coverage) {
    std::vector<const Claim*> owners(coverage.claims.begin(), coverage.claims.end());
    std::ranges::sort(owners);  // in the order of all claims, so that it ends the same each time
    const bool unwritten =
        std::ranges::any_of(owners, [](const Claim* claim) { return claim->flags != 0; });
    if (coverage.may_share && !unwritten) return;
    for (uint64_t i = 0; i < coverage.length; ++i) JudgeBlock(owners, coverage.start + i);
  }

  void JudgeBlock(const std::vector<const Claim*>& owners, uint64_t block) {
    const auto rank_of = [&](const Claim* claim) { return RankOf(*claim, block); };
    const Claim* best = *std::ranges::min_element(owners, {}, rank_of);
    const Rank rank = rank_of(best);
    // Of files that share a block each sees what it saw, if those for which it reads zero leave it.
    const bool shared = std::ranges::any_of(
        owners, [&](const Claim* claim) { return rank_of(claim) == kFile && claim->flags == 0; });
    for (const Claim* claim : owners) {
      if (claim->kind == ClaimKind::kQuarantine && rank != kFile) state_.quarantine_clashes = true;
      if (!claim->is_extent()) continue;
      const bool keeps =
          rank == kFile && shared ? rank_of(claim) == kFile && claim->flags == 0 : claim == best;
      if (!keeps) losses_[claim->ino].insert({claim->file_block + block - claim->start, block});
    }
  }

  Result<void> Take(uint64_t ino, const absl::btree_set<Loss>& losses) {
    const InodeSlot* found = state_.Slot(ino);
    if (found == nullptr || ino == kInoInodeFile) return {};  // its clusters were chosen before
    InodeSlot slot = *found;
    uint64_t written = 0;
    ExtentList kept;
    for (const ExtentRecord& extent : FindExtents(state_, slot).extents) {
      for (uint32_t i = 0; i < extent.length; ++i) {
        const Loss block{extent.file_block + i, extent.block + i};
        if (losses.contains(block)) {
          if (extent.flags == 0) ++written;
        } else {
          kept.push_back({block.first, block.second, 1, extent.flags});
        }
      }
    }
    if (S_ISLNK(slot.mode) && written != 0) return RemoveSymlink(ino, slot.generation);
    if (IsSystemInode(ino)) Close(kept);
    if (S_ISDIR(slot.mode)) StartAtBlock0(&kept);
    HOLDFAST_TRY(SetExtents(state_, &slot, kept));
    if (IsSystemInode(ino) || S_ISDIR(slot.mode)) slot.size = EndOf(kept) << kBlockShift;
    state_.PutSlot(ino, slot);
    if (written == 0) {
      state_.log.Fixed("inode", ino, "unwritten blocks that others own are holes now");
    } else {
      state_.log.Lost("inode", ino,
                      absl::StrCat(written, " of its blocks belong to others (the first is ",
                                   losses.begin()->second, "); they are holes now"));
    }
    return {};
  }

  Result<void> RemoveSymlink(uint64_t ino, uint32_t generation) {
    state_.log.Lost("inode", ino, "a symlink whose target belongs to others is removed");
    state_.ClearSlot(ino, generation);
    state_.inodes[ino] = {};
    return {};
  }

  // The filesystem's own files have no holes.
  static void Close(ExtentList& extents) {
    uint64_t next = 0;
    for (ExtentRecord& extent : extents) {
      extent.file_block = next;
      next += extent.length;
    }
  }

  RepairState& state_;
  CheckReport scratch_;
  CheckState check_;
  absl::btree_map<uint64_t, absl::btree_set<Loss>> losses_;
};

}  // namespace

Result<void> RepairConflicts(RepairState& state) { return Repair(state).Run(); }

}  // namespace holdfast::fsmeta
