// SPDX-License-Identifier: Apache-2.0
// Reading the places of clusters, searching for lost ones, mapping them again.
#include "fsmeta/repair_inode_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "fsmeta/inode_cluster.h"
#include "fsmeta/repair_extents.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kInodeFile[] = "inode file";

ClusterPlaces FirstCluster(const Superblock& superblock) {
  ClusterPlaces places;
  for (uint64_t i = 0; i < kClusterBlocks; ++i) {
    places[i] = Pfn(superblock.inode_cluster0 + i);
  }
  return places;
}

uint64_t MostClusters(const Superblock& superblock) {
  return superblock.block_count / kClusterBlocks;
}

// The places as `extents` have them; nothing if that cannot be right.
std::vector<ClusterPlaces> PlacesIn(const RepairState& state, const ExtentList& extents) {
  std::vector<ClusterPlaces> places;
  const uint64_t end = EndOf(extents);
  if (BlocksOf(extents) != end || end % kClusterBlocks != 0 ||
      end / kClusterBlocks > MostClusters(state.superblock())) {
    return places;
  }
  places.resize(end / kClusterBlocks);
  for (const ExtentRecord& extent : extents) {
    for (uint64_t i = 0; i < extent.length; ++i) {
      const uint64_t at = extent.file_block + i;
      places[at / kClusterBlocks][at % kClusterBlocks] = Pfn(extent.block + i);
    }
  }
  if (!places.empty() && places.front() != FirstCluster(state.superblock())) places.clear();
  return places;
}

ExtentList ExtentsOf(const std::vector<ClusterPlaces>& clusters, const Superblock& superblock) {
  ExtentList extents;
  for (uint64_t i = 0; i < clusters.size() * kClusterBlocks; ++i) {
    const Pfn at = clusters[i / kClusterBlocks][i % kClusterBlocks];
    if (!extents.empty()) {
      ExtentRecord& last = extents.back();
      if (last.block + last.length == at.value() && at.value() % superblock.group_blocks != 0) {
        ++last.length;
        continue;
      }
    }
    extents.push_back({i, at.value(), 1, 0});
  }
  return extents;
}

// Searches all blocks for those of the inode file.
class Search {
 public:
  explicit Search(RepairState& state) : state_(state) {
    places_.push_back(FirstCluster(state.superblock()));
  }

  std::vector<ClusterPlaces> Run() {
    for (uint64_t block = 1; block + 1 < state_.superblock().block_count; ++block) {
      Look(Pfn(block));
    }
    return std::move(places_);
  }

 private:
  void Look(Pfn at) {
    ObjectHeader header;
    std::memcpy(&header, state_.image.BlockAt(at.value()), sizeof(header));
    if (header.magic == static_cast<uint32_t>(ObjectType::kInodeCluster)) {
      const auto loaded = state_.image.Load(ClusterHeadId(at));
      if (!loaded) return;
      const uint64_t first = static_cast<const InodeCluster*>(*loaded)->first_ino;
      if (first % kInodesPerCluster == 0) Found(first / kInodesPerCluster, 0, at);
    } else if (header.magic == static_cast<uint32_t>(ObjectType::kInode)) {
      LookAtSlots(at);
    }
  }

  // Any sound slot of a block says where the block belongs.
  void LookAtSlots(Pfn at) {
    for (uint64_t i = 0; i < kSlotsPerBlock; ++i) {
      const auto loaded = state_.image.Load(
          {ObjectType::kInode, ByteOffset(at) + i * kSlotBytes, kSlotBytes, kAnyOwner});
      if (!loaded) continue;
      const uint64_t ino = static_cast<const InodeSlot*>(*loaded)->header.owner;
      const uint64_t in_cluster = ino % kInodesPerCluster;
      if (in_cluster % kSlotsPerBlock != i) continue;
      return Found(ino / kInodesPerCluster, 1 + in_cluster / kSlotsPerBlock, at);
    }
  }

  void Found(uint64_t cluster, uint64_t block, Pfn at) {
    if (cluster == 0 || cluster >= MostClusters(state_.superblock())) return;
    if (places_.size() <= cluster) places_.resize(cluster + 1);
    Pfn& place = places_[cluster][block];
    if (place == Pfn(0)) place = at;
    state_.space.Hold(at.value(), 1);
  }

  RepairState& state_;
  std::vector<ClusterPlaces> places_;
};

void PutFreeSlots(RepairState& state, Pfn block, uint64_t first_ino) {
  for (uint64_t i = 0; i < kSlotsPerBlock; ++i) {
    state.Put(SlotIdInBlock(block, Ino(first_ino + i)), InodeSlot{});
  }
}

// Gives every block of a cluster that has no place a fresh one; how many there were.
Result<uint64_t> FillPlaces(RepairState& state, uint64_t index, ClusterPlaces& places) {
  uint64_t made = 0;
  for (uint64_t i = 0; i < kClusterBlocks; ++i) {
    if (places[i] != Pfn(0)) continue;
    HOLDFAST_ASSIGN(places[i], state.space.Allocate());
    ++made;
    if (i == 0) {
      state.Put(ClusterHeadId(places[i]), EmptyClusterHead(index));
    } else {
      PutFreeSlots(state, places[i], index * kInodesPerCluster + (i - 1) * kSlotsPerBlock);
    }
  }
  return made;
}

// The slot of inode 2 as it must be for these clusters.
Result<void> PutInodeFile(RepairState& state) {
  const InodeSlot* old = state.Slot(kInoInodeFile);
  InodeSlot slot{};
  if (old != nullptr) slot = *old;
  slot.header.owner = kInoInodeFile;
  if (!S_ISREG(slot.mode)) {
    slot = {};
    slot.header.owner = kInoInodeFile;
    slot.mode = S_IFREG | 0600;
    slot.generation = 1;
  }
  slot.nlink = 1;
  slot.size = state.clusters.size() * kClusterBlocks * kBlockSize;
  HOLDFAST_TRY(SetExtents(state, &slot, ExtentsOf(state.clusters, state.superblock())));
  state.PutSlot(kInoInodeFile, slot);
  return {};
}

}  // namespace

Result<void> RepairInodeFile(RepairState& state) {
  const auto loaded =
      state.image.Load(SlotId(Pfn(state.superblock().inode_cluster0), Ino(kInoInodeFile)));
  if (loaded) {
    const auto& slot = *static_cast<const InodeSlot*>(*loaded);
    const FoundExtents found = FindExtents(state, slot);
    if (found.sound && S_ISREG(slot.mode)) state.clusters = PlacesIn(state, found.extents);
    const uint64_t bytes = state.clusters.size() * kClusterBlocks * kBlockSize;
    if (!state.clusters.empty() && slot.size == bytes) return {};
  }
  if (state.clusters.empty()) {
    state.clusters = Search(state).Run();
    for (uint64_t i = 0; i < state.clusters.size(); ++i) {
      HOLDFAST_ASSIGN(const uint64_t made, FillPlaces(state, i, state.clusters[i]));
      if (made == 0) continue;
      state.log.Lost("inode cluster", i, absl::StrCat(made, " of its blocks are made anew, empty"));
    }
  }
  state.log.Fixed(
      absl::StrCat(kInodeFile, ": its ", state.clusters.size(), " clusters are mapped again"));
  return PutInodeFile(state);
}

Result<void> AddCluster(RepairState& state) {
  const uint64_t index = state.clusters.size();
  ClusterPlaces places{};
  HOLDFAST_TRY(FillPlaces(state, index, places));
  state.clusters.push_back(places);
  state.inodes.Resize(state.inode_count());
  return PutInodeFile(state);
}

}  // namespace holdfast::fsmeta
