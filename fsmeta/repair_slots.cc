// SPDX-License-Identifier: Apache-2.0
// The stage over all inode slots.
#include "fsmeta/repair_slots.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "fsmeta/check_extents.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/repair_extents.h"
#include "fsmeta/repair_xattrs.h"
#include "fsmeta/slot_fields.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kInode[] = "inode";

bool SameBytes(const InodeSlot& a, const InodeSlot& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

class Repair {
 public:
  explicit Repair(RepairState& state) : state_(state) {}

  Result<void> Run() {
    for (uint64_t ino = 0; ino < state_.inode_count(); ++ino) Sort(ino);
    const RememberedExtents remembered(state_, incomplete_);
    for (const uint64_t ino : incomplete_) {
      HOLDFAST_TRY(state_.lost.contains(ino) ? MakeAnew(ino, remembered.Of(ino))
                                             : MendExtents(ino, remembered.Of(ino)));
    }
    for (uint64_t ino = 0; ino < state_.inode_count(); ++ino) {
      HOLDFAST_TRY(FinishSlot(ino));
    }
    return {};
  }

 private:
  // Mends what needs nothing but the slot, and finds those that need more.
  void Sort(uint64_t ino) {
    const InodeSlot* slot = state_.Slot(ino);
    if (slot != nullptr && slot->mode != 0 && !IsReservedInode(ino) && IsPossible(*slot)) {
      InodeSlot mended = *slot;
      MakeFieldsPossible(&mended);
      if (!SameBytes(mended, *slot)) {
        state_.log.Fixed(kInode, ino, "impossible values in its fields are replaced");
        state_.PutSlot(ino, mended);
      }
      max_generation_ = std::max(max_generation_, slot->generation);
      const FoundExtents found = FindExtents(state_, mended);
      if (!found.sound || BlocksOf(found.extents) != mended.blocks) incomplete_.push_back(ino);
    } else if (slot == nullptr || slot->mode != 0) {
      SortUnsound(ino);
    } else if (IsNeeded(ino)) {
      state_.lost.insert(ino);
      incomplete_.push_back(ino);
    } else {
      MendFreeSlot(ino, *slot);
    }
  }

  static bool IsNeeded(uint64_t ino) { return ino == kInoRoot || IsSystemInode(ino); }

  static bool IsPossible(const InodeSlot& slot) {
    const uint64_t ino = slot.header.owner;
    if (!HasKnownType(slot.mode)) return false;
    if (ino == kInoRoot) return S_ISDIR(slot.mode);
    return !IsSystemInode(ino) || S_ISREG(slot.mode);
  }

  void SortUnsound(uint64_t ino) {
    if (IsReservedInode(ino)) {
      state_.log.Fixed(kInode, ino, "its reserved slot is cleared");
      state_.ClearSlot(ino, 0);
      return;
    }
    state_.lost.insert(ino);
    incomplete_.push_back(ino);
  }

  void MendFreeSlot(uint64_t ino, const InodeSlot& slot) {
    InodeSlot empty{};
    empty.header = slot.header;
    empty.generation = slot.generation;
    max_generation_ = std::max(max_generation_, slot.generation);
    if (SameBytes(empty, slot)) return;
    state_.log.Fixed(kInode, ino, "its free slot is cleared");
    state_.ClearSlot(ino, slot.generation);
  }

  Result<void> MendExtents(uint64_t ino, ExtentList remembered) {
    InodeSlot slot = *state_.Slot(ino);
    const FoundExtents found = FindExtents(state_, slot);
    // Bytes kept in the slot of a symlink are no extents.
    if (slot.data_form == static_cast<uint8_t>(DataForm::kBytes) && S_ISLNK(slot.mode)) {
      slot.blocks = 0;
      slot.inline_count = 0;
      slot.extents = {};
      state_.log.Fixed(kInode, ino, "fields of another data form are cleared");
      state_.PutSlot(ino, slot);
      return {};
    }
    const uint64_t expected = slot.blocks;
    ExtentList merged = FillHoles(found.extents, Possible(std::move(remembered)));
    const uint64_t blocks = BlocksOf(merged);
    HOLDFAST_TRY(SetExtents(state_, &slot, std::move(merged)));
    state_.PutSlot(ino, slot);
    if (blocks < expected) {
      state_.log.Lost(kInode, ino,
                      absl::StrCat(expected - blocks, " of its ", expected,
                                   " blocks are lost; they are holes now"));
    } else {
      state_.log.Fixed(kInode, ino,
                       absl::StrCat("its ", blocks, " blocks are mapped and counted again"));
    }
    return {};
  }

  // What the reverse map says can be wrong in every way.
  ExtentList Possible(ExtentList extents) const {
    std::erase_if(extents, [&](const ExtentRecord& extent) {
      return FaultInExtent(state_.image, extent) != nullptr;
    });
    return extents;
  }

  // An inode whose slot is lost, from its extents alone.
  Result<void> MakeAnew(uint64_t ino, ExtentList remembered) {
    const ExtentList extents = FillHoles({}, Possible(std::move(remembered)));
    if (extents.empty() && !IsNeeded(ino)) {
      LetGo(ino);
      return {};
    }
    InodeSlot slot{};
    slot.header.owner = ino;
    const bool directory = ino == kInoRoot || (!IsSystemInode(ino) && HoldsEntries(ino, extents));
    slot.mode = directory ? S_IFDIR | (ino == kInoRoot ? 0755U : 0700U) : S_IFREG | 0600U;
    slot.nlink = directory ? 2 : 1;
    slot.parent = ino == kInoRoot ? kInoRoot : 0;
    slot.generation = NextGeneration();
    slot.size = directory || IsSystemInode(ino) ? EndOf(extents) << kBlockShift
                                                : SizeOf(ino, EndOf(extents));
    slot.btime_sec = slot.ctime_sec = static_cast<int64_t>(state_.superblock().mounted_at);
    slot.atime_sec = slot.mtime_sec = slot.ctime_sec;
    HOLDFAST_TRY(SetExtents(state_, &slot, extents));
    state_.PutSlot(ino, slot);
    state_.log.Lost(kInode, ino,
                    absl::StrCat("its slot is lost; its ", slot.blocks, " blocks are saved as a ",
                                 directory ? "directory" : "file", " of root"));
    return {};
  }

  bool HoldsEntries(uint64_t ino, const ExtentList& extents) {
    return std::ranges::any_of(extents, [&](const ExtentRecord& extent) {
      return state_.image.Block<DirectoryBlock>(Pfn(extent.block), ObjectType::kDirectory, ino)
          .has_value();
    });
  }

  // The size in an unsound slot is believed as far as it names a byte of the last block.
  uint64_t SizeOf(uint64_t ino, uint64_t end) {
    InodeSlot raw;
    const ObjectId id = state_.SlotAt(ino);
    std::memcpy(&raw, state_.image.BlockAt(id.offset >> kBlockShift) + id.offset % kBlockSize,
                sizeof(raw));
    const uint64_t bytes = end << kBlockShift;
    return raw.size <= bytes && raw.size > bytes - kBlockSize ? raw.size : bytes;
  }

  void LetGo(uint64_t ino) {
    const std::optional<bool> used = HeadSaysUsed(ino);
    state_.ClearSlot(ino, NextGeneration());
    if (used.value_or(false)) {
      state_.log.Lost(kInode, ino, "its slot is lost, and nothing else of it is known");
    } else {
      state_.log.Fixed(kInode, ino, "its slot is made anew, free");
    }
  }

  std::optional<bool> HeadSaysUsed(uint64_t ino) {
    const auto loaded =
        state_.image.Load(ClusterHeadId(state_.clusters[ino / kInodesPerCluster].front()));
    if (!loaded) return std::nullopt;
    const auto& head = *static_cast<const InodeCluster*>(*loaded);
    const uint64_t i = ino % kInodesPerCluster;
    return (head.used[i / 64] >> (i % 64) & 1) != 0;
  }

  // Numbers and generations never come back together: beyond all that were seen.
  uint32_t NextGeneration() const { return max_generation_ + 1 == 0 ? 1 : max_generation_ + 1; }

  // Type against data, attributes, and the picture for later stages.
  Result<void> FinishSlot(uint64_t ino) {
    const InodeSlot* found = state_.Slot(ino);
    if (found == nullptr || found->mode == 0) return {};
    InodeSlot slot = *found;
    if (!S_ISLNK(slot.mode) || MendSymlink(&slot)) {
      HOLDFAST_TRY(MendData(&slot));
      HOLDFAST_TRY(RepairXattrs(state_, &slot));
    } else {
      state_.log.Lost(kInode, ino, "a symlink whose target is lost is removed");
      state_.ClearSlot(ino, slot.generation);
      return {};
    }
    if (!SameBytes(slot, *found)) state_.PutSlot(ino, slot);
    state_.inodes[ino] = {.mode = slot.mode,
                          .nlink = slot.nlink,
                          .flags = slot.flags,
                          .parent = slot.parent,
                          .orphan_slot = slot.orphan_slot};
    return {};
  }

  // False if there is no target to be had.
  bool MendSymlink(InodeSlot* slot) {
    if (slot->nlink == 0) return true;  // about to go, perhaps half gone
    if (slot->data_form == static_cast<uint8_t>(DataForm::kBytes)) {
      return TargetBytes(slot->inline_area) != 0;  // its size was made to fit
    }
    const ExtentList extents = FindExtents(state_, *slot).extents;
    if (slot->blocks != 1 || EndOf(extents) != 1) return false;
    const std::byte* block = state_.image.BlockAt(extents.front().block);
    const size_t bytes =
        TargetBytes({reinterpret_cast<const uint8_t*>(block), static_cast<size_t>(kBlockSize)});
    if (bytes == 0 || bytes > kMaxSymlinkBytes) return false;
    if (slot->size == bytes && extents.front().flags == 0) return true;
    state_.log.Fixed(kInode, slot->header.owner, "its size and extent follow its target");
    slot->size = bytes;
    return SetExtents(state_, slot, {{0, extents.front().block, 1, 0}}).has_value();
  }

  Result<void> MendData(InodeSlot* slot) {
    const uint64_t ino = slot->header.owner;
    const bool inline_bytes = slot->data_form == static_cast<uint8_t>(DataForm::kBytes);
    if ((inline_bytes && !S_ISLNK(slot->mode)) ||
        (slot->blocks != 0 && !MayHaveBlocks(slot->mode))) {
      state_.log.Lost(kInode, ino, "data of a type that has none is dropped");
      HOLDFAST_TRY(SetExtents(state_, slot, {}));
    }
    if (!MayHaveBlocks(slot->mode) && slot->size != 0) {
      state_.log.Fixed(kInode, ino, "its size is set to 0");
      slot->size = 0;
    }
    if (S_ISREG(slot->mode) && slot->size > kMaxFileBytes) {
      slot->size = EndOf(FindExtents(state_, *slot).extents) << kBlockShift;
      state_.log.Fixed(kInode, ino, "its impossible size is set to the end of its blocks");
    }
    if (S_ISDIR(slot->mode)) HOLDFAST_TRY(MendFirstBlock(slot));
    const bool metadata = S_ISDIR(slot->mode) || IsSystemInode(ino);
    return metadata && slot->nlink != 0 ? MendMetadataFile(slot) : Result<void>();
  }

  Result<void> MendFirstBlock(InodeSlot* slot) {
    ExtentList extents = FindExtents(state_, *slot).extents;
    if (!StartAtBlock0(&extents)) return {};
    state_.log.Fixed(kInode, slot->header.owner, "its first block is its block 0");
    return SetExtents(state_, slot, extents);
  }

  // Written blocks only, and for the filesystem's own files no holes; the size is their end.
  Result<void> MendMetadataFile(InodeSlot* slot) {
    const uint64_t ino = slot->header.owner;
    ExtentList extents = FindExtents(state_, *slot).extents;
    bool changed = false;
    uint64_t next = 0;
    for (ExtentRecord& extent : extents) {
      const bool hole = IsSystemInode(ino) && extent.file_block != next;
      changed |= hole || extent.flags != 0;
      extent.flags = 0;
      if (hole) extent.file_block = next;
      next = extent.file_block + extent.length;
    }
    if (changed) HOLDFAST_TRY(SetExtents(state_, slot, extents));
    const uint64_t size = EndOf(extents) << kBlockShift;
    if (changed || slot->size != size) state_.log.Fixed(kInode, ino, "its size follows its blocks");
    slot->size = size;
    return {};
  }

  RepairState& state_;
  std::vector<uint64_t> incomplete_;  // in order: extents are missing, or the slot is
  uint32_t max_generation_ = 0;
};

}  // namespace

Result<void> RepairSlots(RepairState& state) {
  state.inodes.Resize(state.inode_count());
  return Repair(state).Run();
}

}  // namespace holdfast::fsmeta
