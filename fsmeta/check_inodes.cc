// SPDX-License-Identifier: Apache-2.0
// The pass over the inode file: clusters, slots, and what each inode says of itself.
#include "fsmeta/check_inodes.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fsmeta/check_extents.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/check_xattrs.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/slot_fields.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kCluster[] = "inode cluster";
constexpr char kInode[] = "inode";

bool IsZero(const TreeRoot& root) { return root.node == 0 && root.height == 0 && root.kind == 0; }

// Whatever an inode of that type may not have must be 0.
class SlotCheck {
 public:
  SlotCheck(CheckState& state, const InodeSlot& slot)
      : state_(state), slot_(slot), ino_(slot.header.owner), location_(absl::StrCat(ino_)) {}

  void Run() {
    CheckMode();
    CheckFields();
    const ExtentTotals totals = ClaimExtents(state_, slot_);
    Expect("blocks", slot_.blocks, totals.blocks);
    CheckForm();
    CheckSize(totals);
    if (!S_ISDIR(slot_.mode)) CheckNoDirectoryFields();
    const XattrFacts xattrs = CheckXattrs(state_, slot_);
    Expect("the flag of an access list", (slot_.flags & kInodeHasAcl) != 0, xattrs.access_list);
    Count();
  }

 private:
  template <typename T>
  void Expect(std::string_view what, const T& found, const T& expected) {
    state_.report.Expect(kInode, location_, what, found, expected);
  }
  void Error(std::string what) { state_.report.Error(kInode, location_, std::move(what)); }
  DataForm form() const { return static_cast<DataForm>(slot_.data_form); }

  void CheckMode() {
    if (!HasKnownType(slot_.mode) || (slot_.mode & ~(S_IFMT | 07777U)) != 0) {
      Error(absl::StrCat("mode ", slot_.mode, " is none"));
    }
    if (ino_ == kInoRoot && !S_ISDIR(slot_.mode)) Error("is the root and no directory");
    if (IsSystemInode(ino_) && !S_ISREG(slot_.mode)) {
      Error("is a system file and no regular file");
    }
  }

  void CheckFields() {
    if ((slot_.flags & ~kKnownInodeFlags) != 0) {
      Error(absl::StrCat("flags ", slot_.flags, " unknown"));
    }
    if ((slot_.flags & kInodeTruncating) != 0 && !MayBeTruncating(slot_)) {
      Error("is being truncated, but no regular file");
    }
    if (slot_.generation == 0) Error("is in use, but its generation is 0");
    const uint64_t reserved[] = {slot_.reserved0, slot_.reserved1, slot_.reserved2[0],
                                 slot_.reserved2[1]};
    if (std::ranges::any_of(reserved, [](uint64_t v) { return v != 0; })) {
      Error("reserved fields are not 0");
    }
    for (const uint32_t nsec :
         {slot_.atime_nsec, slot_.mtime_nsec, slot_.ctime_nsec, slot_.btime_nsec}) {
      if (nsec >= 1'000'000'000) Error(absl::StrCat("a timestamp has ", nsec, " nanoseconds"));
    }
    if (!S_ISCHR(slot_.mode) && !S_ISBLK(slot_.mode)) Expect("rdev", slot_.rdev, uint64_t{0});
  }

  // The form, and that what belongs to other forms is empty.
  void CheckForm() {
    switch (form()) {
      case DataForm::kNone:
        break;
      case DataForm::kBytes:
        if (!S_ISLNK(slot_.mode)) Error("keeps its data inline, but is no symlink");
        if (slot_.size > kInlineBytes) Error("keeps more bytes inline than fit");
        if (S_ISLNK(slot_.mode)) CheckTarget(slot_.inline_area);
        break;
      case DataForm::kExtents:
      case DataForm::kTree:
        if (!MayHaveBlocks(slot_.mode)) Error("has extents, but a type without data");
        break;
      default:
        Error(absl::StrCat("data form ", slot_.data_form, " is none"));
    }
    if (form() != DataForm::kTree && !IsZero(slot_.extents)) {
      Error("has the root of an extent tree in another data form");
    }
    if (form() != DataForm::kExtents && slot_.inline_count != 0) {
      Error("counts inline extents in another data form");
    }
    if (std::ranges::any_of(UnusedInlineArea(slot_), [](uint8_t byte) { return byte != 0; })) {
      Error("has bytes in its slot that nothing uses");
    }
  }

  void CheckTarget(std::span<const uint8_t> bytes) {
    Expect("length of its target", uint64_t{TargetBytes(bytes)}, slot_.size);
  }

  void CheckSize(const ExtentTotals& totals) {
    if (slot_.size > kMaxFileBytes) Error(absl::StrCat("size ", slot_.size, " is too large"));
    if (slot_.nlink == 0) return;  // it may be losing its blocks, one transaction after the other
    if (HoldsMetadata(slot_)) {
      Expect("size", slot_.size, totals.end << kBlockShift);
      if (totals.unwritten != 0) Error("has unwritten extents, but holds metadata");
    } else if (S_ISLNK(slot_.mode)) {
      if (slot_.size == 0 || slot_.size > kMaxSymlinkBytes) {
        Error(absl::StrCat("symlink of ", slot_.size, " bytes"));
      } else if (form() != DataForm::kBytes) {
        Expect("blocks of the symlink's target", totals.end, BlocksFor(slot_.size).value());
        CheckTargetInBlock();
      }
    } else if (!S_ISREG(slot_.mode)) {
      Expect("size", slot_.size, uint64_t{0});
    }
    // Only directories among the files of metadata may have holes.
    if (IsSystemInode(ino_)) Expect("blocks of a system file", totals.blocks, totals.end);
  }

  void CheckTargetInBlock() {
    ForEachSoundExtent(state_, slot_, [&](const ExtentRecord& extent) {
      if (extent.flags != 0) Error("its target is unwritten");
      CheckTarget({reinterpret_cast<const uint8_t*>(state_.image.BlockAt(extent.block)),
                   static_cast<size_t>(kBlockSize)});
    });
  }

  void CheckNoDirectoryFields() {
    Expect("parent", slot_.parent, uint64_t{0});
    Expect("dir_entries", slot_.dir_entries, uint64_t{0});
    Expect("dir_subdirs", slot_.dir_subdirs, uint64_t{0});
    if (!IsZero(slot_.dir_index)) {
      Error("has a directory index, but is no directory");
    }
  }

  void Count() {
    CheckTotals& totals = state_.report.totals;
    ++totals.inodes;
    if (S_ISDIR(slot_.mode)) {
      ++totals.directories;
    } else if (S_ISREG(slot_.mode)) {
      if (!IsSystemInode(ino_)) ++totals.files;
    } else if (S_ISLNK(slot_.mode)) {
      ++totals.symlinks;
    } else {
      ++totals.others;
    }
  }

  CheckState& state_;
  const InodeSlot& slot_;
  const uint64_t ino_;
  const std::string location_;
};

// One cluster: its head, then each slot against the head's bit.
class ClusterCheck {
 public:
  ClusterCheck(CheckState& state, uint64_t index)
      : state_(state),
        first_ino_(index * kInodesPerCluster),
        head_(state.clusters[index].front()),
        location_(absl::StrCat(index, " in block ", head_.value())) {}

  void Run() {
    const auto loaded = state_.image.Load(ClusterHeadId(head_));
    if (!loaded) return state_.report.Error(kCluster, location_, ReasonOf(loaded.error()));
    const auto& head = *static_cast<const InodeCluster*>(*loaded);
    CheckHead(head);
    for (uint64_t i = 0; i < kInodesPerCluster; ++i) {
      CheckSlot(first_ino_ + i, (head.used[i / 64] >> (i % 64) & 1) != 0);
    }
  }

 private:
  void CheckHead(const InodeCluster& head) {
    constexpr uint64_t kBeyond = ~uint64_t{0} << (kInodesPerCluster % 64);
    state_.report.Expect(kCluster, location_, "first_ino", head.first_ino, first_ino_);
    const int free = std::popcount(~head.used[0]) + std::popcount(~head.used[1] & ~kBeyond);
    state_.report.Expect(kCluster, location_, "free_count", head.free_count,
                         static_cast<uint32_t>(free));
    if ((head.used[1] & kBeyond) != kBeyond) {
      state_.report.Error(kCluster, location_, "bits past its last slot are not set");
    }
    if (head.reserved0 != 0 ||
        std::ranges::any_of(head.reserved, [](uint8_t b) { return b != 0; })) {
      state_.report.Error(kCluster, location_, "reserved fields are not 0");
    }
  }

  void CheckSlot(uint64_t ino, bool marked_used) {
    const auto loaded = state_.image.Load(SlotPlace(state_, ino));
    if (!loaded) return state_.report.Error(kInode, absl::StrCat(ino), ReasonOf(loaded.error()));
    const auto& slot = *static_cast<const InodeSlot*>(*loaded);
    const bool expect_inode = marked_used && !IsReservedInode(ino);
    state_.report.Expect(kInode, absl::StrCat(ino), "in use by its slot", slot.mode != 0,
                         expect_inode);
    if (IsReservedInode(ino) && !marked_used) {
      state_.report.Error(kInode, absl::StrCat(ino), "is reserved, but marked free");
    }
    if (slot.mode == 0) {
      CheckCleared(slot);
      return;
    }
    state_.inodes[ino] = {.mode = slot.mode,
                          .nlink = slot.nlink,
                          .flags = slot.flags,
                          .parent = slot.parent,
                          .orphan_slot = slot.orphan_slot};
    if (S_ISDIR(slot.mode)) state_.directories.push_back(ino);
    SlotCheck(state_, slot).Run();
  }

  // A free slot remembers its generation and nothing else.
  void CheckCleared(const InodeSlot& slot) {
    InodeSlot empty{};
    empty.header = slot.header;
    empty.generation = slot.generation;
    if (std::memcmp(&slot, &empty, sizeof(slot)) != 0) {
      state_.report.Error(kInode, absl::StrCat(slot.header.owner), "is free, but not cleared");
    }
  }

  CheckState& state_;
  const uint64_t first_ino_;
  const Pfn head_;
  const std::string location_;
};

// The clusters in the extents of inode 2: every block of every cluster.
void FindClusters(CheckState& state, const InodeSlot& inode_file) {
  // No more clusters than blocks, however far out an extent claims to be.
  const uint64_t most = state.image.superblock().block_count / kClusterBlocks;
  uint64_t next = 0;
  ForEachSoundExtent(state, inode_file, [&](const ExtentRecord& extent) {
    if (extent.file_block != next) {
      state.report.Error(kInode, absl::StrCat(kInoInodeFile),
                         absl::StrCat("has a hole before file block ", extent.file_block));
    }
    next = extent.file_block + extent.length;
    for (uint64_t i = 0; i < extent.length; ++i) {
      const uint64_t index = (extent.file_block + i) / kClusterBlocks;
      if (index >= most) break;
      if (state.clusters.size() <= index) state.clusters.resize(index + 1);
      state.clusters[index][(extent.file_block + i) % kClusterBlocks] = Pfn(extent.block + i);
    }
  });
  if (next % kClusterBlocks != 0) {
    state.report.Error(kInode, absl::StrCat(kInoInodeFile), "ends in the middle of a cluster");
  }
}

bool StartsWhereTheSuperblockSays(const CheckState& state) {
  if (state.clusters.empty()) return false;
  Pfn expected(state.image.superblock().inode_cluster0);
  for (const Pfn place : state.clusters.front()) {
    if (place != expected) return false;
    expected += BlockCount(1);
  }
  return true;
}

}  // namespace

bool CheckInodes(CheckState& state) {
  const Pfn first(state.image.superblock().inode_cluster0);
  const auto loaded = state.image.Load(SlotId(first, Ino(kInoInodeFile)));
  if (!loaded) {
    state.report.Error(kInode, absl::StrCat(kInoInodeFile), ReasonOf(loaded.error()));
    return false;
  }
  FindClusters(state, *static_cast<const InodeSlot*>(*loaded));
  if (!StartsWhereTheSuperblockSays(state)) {
    state.report.Error(kInode, absl::StrCat(kInoInodeFile),
                       absl::StrCat("its first cluster is not in block ", first.value(),
                                    ", where the superblock has it"));
    return false;
  }
  state.inodes.Resize(state.clusters.size() * kInodesPerCluster);
  for (uint64_t i = 0; i < state.clusters.size(); ++i) {
    // One that is not wholly mapped was reported as a hole.
    const auto& places = state.clusters[i];
    if (std::ranges::find(places, Pfn(0)) == places.end()) ClusterCheck(state, i).Run();
  }
  return true;
}

ObjectId SlotPlace(const CheckState& state, uint64_t ino) {
  const uint64_t block = 1 + ino % kInodesPerCluster / kSlotsPerBlock;
  return SlotIdInBlock(state.clusters[ino / kInodesPerCluster][block], Ino(ino));
}

const InodeSlot* SlotForCheck(CheckState& state, uint64_t ino) {
  if (!state.inodes.Exists(ino)) return nullptr;
  const auto loaded = state.image.Load(SlotPlace(state, ino));
  return loaded ? static_cast<const InodeSlot*>(*loaded) : nullptr;
}

}  // namespace holdfast::fsmeta
