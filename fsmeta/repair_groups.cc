// SPDX-License-Identifier: Apache-2.0
// Rebuilding bitmaps, reference counts and reverse maps from claims.
#include "fsmeta/repair_groups.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "fsmeta/check_directories.h"
#include "fsmeta/check_inodes.h"
#include "fsmeta/check_orphans.h"
#include "fsmeta/check_space.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/repair_tree.h"
#include "fsmeta/slot_fields.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kGroup[] = "group";

using Records = std::vector<TreeRecord>;

// Where anything is owned, to be asked for single blocks.
class OwnedRuns {
 public:
  OwnedRuns(const Claims& owners, uint64_t blocks) {
    owners.ForEachCoverage(0, blocks, [&](const Coverage& coverage) {
      if (coverage.owners != 0)
        runs_.emplace_back(coverage.start, coverage.start + coverage.length);
    });
  }
  bool Contains(uint64_t block) const {
    const auto after = std::ranges::upper_bound(runs_, block, {}, &Run::second);
    return after != runs_.end() && after->first <= block;
  }

 private:
  using Run = std::pair<uint64_t, uint64_t>;  // start, end
  std::vector<Run> runs_;
};

// One group while it is repaired.
class Group {
 public:
  Group(RepairState& state, uint64_t index)
      : state_(state), index_(index), layout_(LayoutOfGroup(state.superblock(), index)) {
    const auto loaded =
        state.image.Block<GroupHeader>(layout_.header, ObjectType::kGroupHeader, index);
    if (loaded) old_ = **loaded;
    header_ = old_;
    header_.start = start();
    header_.blocks = layout_.blocks.value();
    header_.bitmap_start = layout_.bitmap.value();
    header_.bitmap_blocks = layout_.bitmap_blocks.value();
    std::ranges::fill(header_.reserved0, 0);
    std::ranges::fill(header_.reserved, 0);
  }

  // The trees as they must be. Those that are, keep their nodes.
  Result<void> RepairTrees(const Claims& owners, const OwnedRuns& owned, Claims& nodes) {
    HOLDFAST_TRY(RepairTree(&header_.refcounts, TreeKind::kRefcount, "reference counts",
                            RefcountsFrom(owners), owned, nodes));
    return RepairTree(&header_.reverse_map, TreeKind::kReverseMap, "reverse map",
                      ReverseMapFrom(owners), owned, nodes);
  }

  // When every block has its owners.
  void RepairBits(const Claims& all) {
    std::vector<BitmapBlock> bitmap(layout_.bitmap_blocks.value());
    const auto set = [&](uint64_t from, uint64_t to) {
      for (uint64_t i = from; i < to; ++i) {
        bitmap[i / kBitsPerBitmapBlock].bits[i % kBitsPerBitmapBlock / 64] |= uint64_t{1}
                                                                              << (i % 64);
      }
    };
    uint64_t free = 0;
    all.ForEachCoverage(start(), end(), [&](const Coverage& coverage) {
      const uint64_t from = coverage.start - start();
      if (coverage.owners == 0) {
        free += coverage.length;
      } else {
        set(from, from + coverage.length);
      }
    });
    set(layout_.blocks.value(), bitmap.size() * kBitsPerBitmapBlock);
    for (uint64_t i = 0; i < bitmap.size(); ++i) RepairBitmapBlock(i, bitmap[i]);
    header_.free_blocks = free;
    if (std::memcmp(&header_, &old_, sizeof(header_)) == 0) return;
    state_.PutBlock(layout_.header, ObjectType::kGroupHeader, index_, header_);
    state_.log.Fixed(kGroup, index_, "its header is written anew");
  }

 private:
  uint64_t start() const { return layout_.start.value(); }
  uint64_t end() const { return start() + layout_.blocks.value(); }

  Records RefcountsFrom(const Claims& owners) const {
    struct Run {
      uint64_t start, length, count;
    };
    std::vector<Run> runs;
    owners.ForEachCoverage(start(), end(), [&](const Coverage& coverage) {
      if (coverage.owners < 2) return;
      if (!runs.empty() && runs.back().start + runs.back().length == coverage.start &&
          runs.back().count == coverage.owners) {
        runs.back().length += coverage.length;
      } else {
        runs.push_back({coverage.start, coverage.length, coverage.owners});
      }
    });
    Records records;
    for (const Run& run : runs) {
      records.push_back({{{run.start}}, {run.length | run.count << 32}});
    }
    return records;
  }

  Records ReverseMapFrom(const Claims& owners) const {
    Records records;
    for (const Claim& claim : owners.InBlocks(start(), end())) {
      if (!claim.is_extent()) continue;
      records.push_back({{{claim.start, claim.ino, claim.file_block}},
                         {claim.length | uint64_t{claim.flags} << 32}});
    }
    return records;
  }

  Result<void> RepairTree(TreeRoot* root, TreeKind kind, std::string_view what,
                          const Records& records, const OwnedRuns& owned, Claims& nodes) {
    std::vector<Pfn> kept;
    if (!TreeIs(*root, kind, records, owned, nodes, &kept)) {
      HOLDFAST_ASSIGN(*root, BuildTree(state_, kind, index_, records));
      state_.log.Fixed(kGroup, index_, absl::StrCat("its ", std::string(what), " is rebuilt"));
      WalkTree(
          state_.image, nullptr, {kind, index_, kGroup, ""}, *root,
          [&](Pfn node) {
            kept.push_back(node);
            return true;
          },
          [](const TreeRecord&) {});
    }
    for (const Pfn node : kept) nodes.AddBlock(node, 0);
    return {};
  }

  // Does the tree hold exactly these records, in nodes that are nobody else's?
  bool TreeIs(const TreeRoot& root, TreeKind kind, const Records& records, const OwnedRuns& owned,
              const Claims& others, std::vector<Pfn>* nodes) {
    CheckReport scratch;
    Records found;
    bool own = true;
    WalkTree(
        state_.image, &scratch, {kind, index_, kGroup, ""}, root,
        [&](Pfn node) {
          own &= state_.image.Contains(node.value(), 1) && !owned.Contains(node.value()) &&
                 !others.visited().contains(node.value());
          nodes->push_back(node);
          return own;
        },
        [&](const TreeRecord& record) { found.push_back(record); });
    if (own && scratch.clean() && found == records) return true;
    nodes->clear();
    return false;
  }

  void RepairBitmapBlock(uint64_t i, const BitmapBlock& expected) {
    const Pfn at = layout_.bitmap + BlockCount(i);
    const auto loaded = state_.image.Block<BitmapBlock>(at, ObjectType::kBitmap, index_);
    if (loaded && std::memcmp((*loaded)->bits, expected.bits, sizeof(expected.bits)) == 0) return;
    state_.PutBlock(at, ObjectType::kBitmap, index_, expected);
    state_.log.Fixed(kGroup, index_, absl::StrCat("block ", i, " of its bitmap is rebuilt"));
  }

  RepairState& state_;
  const uint64_t index_;
  const GroupLayout layout_;
  GroupHeader old_{};
  GroupHeader header_{};
};

// What everybody owns, in order.
void ClaimAll(RepairState& state, Claims& claims) {
  CheckReport scratch;
  CheckState check{.image = state.image, .report = scratch};
  ClaimFixedBlocks(check);
  CheckInodes(check);
  CheckDirectories(check);  // claims their indexes
  CheckQuarantine(check);
  claims = std::move(check.claims);
  claims.Sort();
}

// An inode that shares a block must say that it may.
void MarkSharing(RepairState& state, const Claims& owners) {
  for (uint64_t group = 0; group < state.superblock().group_count; ++group) {
    const GroupLayout layout = LayoutOfGroup(state.superblock(), group);
    const uint64_t start = layout.start.value();
    const uint64_t end = start + layout.blocks.value();
    std::vector<std::pair<uint64_t, uint64_t>> shared;  // start, end
    owners.ForEachCoverage(start, end, [&](const Coverage& coverage) {
      if (coverage.owners >= 2) {
        shared.emplace_back(coverage.start, coverage.start + coverage.length);
      }
    });
    for (const Claim& claim : owners.InBlocks(start, end)) {
      if (claim.kind != ClaimKind::kFileData) continue;
      const auto after =
          std::ranges::upper_bound(shared, claim.start, {}, &std::pair<uint64_t, uint64_t>::second);
      if (after == shared.end() || after->first >= claim.end()) continue;
      InodeSlot slot = *state.Slot(claim.ino);
      if ((slot.flags & kInodeMayShare) != 0) continue;
      slot.flags |= kInodeMayShare;
      state.PutSlot(claim.ino, slot);
      state.log.Fixed("inode", claim.ino, "says now that it shares blocks");
    }
  }
}

}  // namespace

void RepairClusterHeads(RepairState& state) {
  for (uint64_t i = 0; i < state.clusters.size(); ++i) {
    InodeCluster head = EmptyClusterHead(i);
    for (uint64_t n = 0; n < kInodesPerCluster; ++n) {
      const uint64_t ino = i * kInodesPerCluster + n;
      if (IsReservedInode(ino) || state.inodes[ino].mode == 0) continue;
      uint64_t& word = head.used[n / 64];
      const uint64_t bit = uint64_t{1} << (n % 64);
      if ((word & bit) == 0) --head.free_count;
      word |= bit;
    }
    const ObjectId id = ClusterHeadId(state.clusters[i].front());
    const auto loaded = state.image.Load(id);
    if (loaded) {
      head.header = static_cast<const InodeCluster*>(*loaded)->header;
      if (std::memcmp(*loaded, &head, sizeof(head)) == 0) continue;
    }
    state.Put(id, head);
    state.log.Fixed("inode cluster", i, "its head follows its slots");
  }
}

Result<void> RepairGroups(RepairState& state) {
  Claims owners;
  ClaimAll(state, owners);
  MarkSharing(state, owners);
  std::vector<Group> groups;
  for (uint64_t i = 0; i < state.superblock().group_count; ++i) groups.emplace_back(state, i);
  const OwnedRuns owned(owners, state.superblock().block_count);
  Claims nodes;
  for (Group& group : groups) HOLDFAST_TRY(group.RepairTrees(owners, owned, nodes));
  for (const Claim& claim : nodes.all()) owners.Add(claim);
  owners.Sort();
  for (Group& group : groups) group.RepairBits(owners);
  return {};
}

}  // namespace holdfast::fsmeta
