// SPDX-License-Identifier: Apache-2.0
// Rewriting the orphan file and the quarantine file.
#include "fsmeta/repair_lists.h"

#include <cstring>
#include <vector>

#include "absl/container/btree_map.h"
#include "fsmeta/check_orphans.h"
#include "fsmeta/repair_extents.h"

namespace holdfast::fsmeta {
namespace {

std::vector<Pfn> BlocksOfFile(RepairState& state, uint64_t ino) {
  std::vector<Pfn> blocks;
  const InodeSlot* slot = state.Slot(ino);
  if (slot == nullptr) return blocks;
  for (const ExtentRecord& extent : FindExtents(state, *slot).extents) {
    for (uint32_t i = 0; i < extent.length; ++i) blocks.emplace_back(extent.block + i);
  }
  return blocks;
}

class OrphanList {
 public:
  explicit OrphanList(RepairState& state) : state_(state), places_(state.inode_count()) {}

  Result<void> Run() {
    for (const Pfn at : BlocksOfFile(state_, kInoOrphanFile)) Read(at);
    for (uint64_t ino = kInoFirstFree; ino < state_.inode_count(); ++ino) {
      if (MustBeListed(state_.inodes[ino]) && places_[ino] == 0) HOLDFAST_TRY(Add(ino));
    }
    for (const auto& [at, block] : changed_) {
      state_.PutBlock(at, ObjectType::kOrphans, kInoOrphanFile, block);
    }
    if (!changed_.empty()) state_.log.Fixed("orphan file: it lists what is to be finished");
    for (uint64_t ino = 0; ino < state_.inode_count(); ++ino) SetPlace(ino);
    return {};
  }

 private:
  static bool MustBeListed(const InodePicture& inode) {
    return inode.mode != 0 && (inode.nlink == 0 || (inode.flags & kInodeTruncating) != 0);
  }

  // Keeps the entries that are right, and remembers the free ones.
  void Read(Pfn at) {
    const auto loaded = state_.image.Block<OrphanBlock>(at, ObjectType::kOrphans, kInoOrphanFile);
    OrphanBlock block{};
    if (loaded) block = **loaded;
    bool changed = !loaded;
    for (uint64_t& ino : block.ino) {
      const uint64_t place = ++entries_;
      if (ino != 0) {
        const bool right = ino >= kInoFirstFree && state_.inodes.Exists(ino) &&
                           MustBeListed(state_.inodes[ino]) && places_[ino] == 0;
        if (right) places_[ino] = place;
        changed |= !right;
        if (!right) ino = 0;
      }
      if (ino == 0) free_.push_back(place);
    }
    blocks_.push_back({at, block});
    if (changed) changed_[at] = block;
  }

  Result<void> Add(uint64_t ino) {
    if (free_.empty()) HOLDFAST_TRY(Grow());
    const uint64_t place = free_.back();
    free_.pop_back();
    auto& [at, block] = blocks_[(place - 1) / kOrphansPerBlock];
    const auto changed = changed_.find(at);
    if (changed != changed_.end()) block = changed->second;
    block.ino[(place - 1) % kOrphansPerBlock] = ino;
    changed_[at] = block;
    places_[ino] = place;
    return {};
  }

  Result<void> Grow() {
    HOLDFAST_ASSIGN(const Pfn at, state_.space.Allocate());
    InodeSlot slot = *state_.Slot(kInoOrphanFile);
    ExtentList extents = FindExtents(state_, slot).extents;
    extents.push_back({EndOf(extents), at.value(), 1, 0});
    HOLDFAST_TRY(SetExtents(state_, &slot, extents));
    slot.size = EndOf(extents) << kBlockShift;
    state_.PutSlot(kInoOrphanFile, slot);
    state_.PutBlock(at, ObjectType::kOrphans, kInoOrphanFile, OrphanBlock{});
    Read(at);
    return {};
  }

  void SetPlace(uint64_t ino) {
    if (state_.inodes[ino].mode == 0 || state_.inodes[ino].orphan_slot == places_[ino]) return;
    InodeSlot slot = *state_.Slot(ino);
    slot.orphan_slot = places_[ino];
    state_.PutSlot(ino, slot);
    state_.inodes[ino].orphan_slot = places_[ino];
    state_.log.Fixed("inode", ino, "its place in the orphan file is corrected");
  }

  RepairState& state_;
  std::vector<uint64_t> places_;  // by inode: 1 + index of its entry
  std::vector<std::pair<Pfn, OrphanBlock>> blocks_;
  absl::btree_map<Pfn, OrphanBlock> changed_;
  std::vector<uint64_t> free_;  // 1 + index
  uint64_t entries_ = 0;
};

// The block with what counts of it; true if that is all of it.
bool Sift(RepairState& state, Pfn at, QuarantineBlock* block) {
  const auto loaded =
      state.image.Block<QuarantineBlock>(at, ObjectType::kQuarantine, kInoQuarantine);
  *block = {};
  if (!loaded) return false;
  *block = **loaded;
  bool whole = true;
  for (QuarantineRecord& record : block->records) {
    const bool is_free = record.kind == static_cast<uint32_t>(QuarantineKind::kFree);
    const bool is_lost = state.quarantine_clashes && !is_free;  // which batch is wrong nobody knows
    if (FaultInRecord(state.image, record) == nullptr && !is_lost) continue;
    whole = false;
    record = {};
  }
  return whole;
}

}  // namespace

Result<void> RepairOrphanFile(RepairState& state) { return OrphanList(state).Run(); }

Result<void> RepairQuarantineFile(RepairState& state) {
  for (const Pfn at : BlocksOfFile(state, kInoQuarantine)) {
    QuarantineBlock block;
    if (Sift(state, at, &block)) continue;
    if (state.quarantine_counts) {
      return Fail(EUCLEAN,
                  "the quarantine file is damaged, and processes of this boot may still touch "
                  "blocks that it listed; reboot, then repair");
    }
    state.PutBlock(at, ObjectType::kQuarantine, kInoQuarantine, block);
    state.log.Fixed("quarantine file: records of an earlier boot that are unsound are removed");
  }
  return {};
}

}  // namespace holdfast::fsmeta
