// SPDX-License-Identifier: Apache-2.0
// Blocks to owners: fixed places first, then the reverse map, then what the bitmap says of the
// rest.
#include "fsmeta/block_owners.h"

#include <sys/stat.h>

#include <algorithm>

#include "fsmeta/group_layout.h"

namespace holdfast::fsmeta {

using daxcore::QuarantinedRun;

namespace {

BlockRun Overlap(const BlockRun& a, const BlockRun& b) {
  const Pfn start = std::max(a.start, b.start);
  const Pfn end = std::min(a.end(), b.end());
  return {start, end > start ? end - start : BlockCount(0)};
}

bool IsEmpty(const BlockRun& run) { return run.length == BlockCount(0); }

// Calls fn(part, name) for what of `run`, inside one group, has a place that never changes.
template <typename F>
void ForEachFixedPart(const Superblock& superblock, uint64_t group, const BlockRun& run, F&& fn) {
  const GroupLayout layout = LayoutOfGroup(superblock, group);
  const BlockRun lanes{Pfn(superblock.journal_start),
                       BlockCount(uint64_t{superblock.lane_count} * superblock.lane_blocks)};
  const std::pair<BlockRun, std::string_view> places[] = {
      {{Pfn(0), BlockCount(1)}, "superblock"},
      {{layout.header, BlockCount(1)}, "group header"},
      {{layout.bitmap, layout.bitmap_blocks}, "bitmap"},
      {lanes, "journal"},
      {{Pfn(superblock.block_count - 1), BlockCount(1)}, "superblock copy"},
  };
  for (const auto& [place, name] : places) {
    if (const BlockRun part = Overlap(run, place); !IsEmpty(part)) fn(part, name);
  }
}

// Collects the uses of one run of blocks of one group. Lives in one transaction.
class GroupUses {
 public:
  GroupUses(Volume& volume, Transaction& tx, uint64_t group,
            const std::vector<QuarantinedRun>& quarantined)
      : volume_(volume), tx_(tx), group_(group), quarantined_(quarantined) {}

  Result<std::vector<BlockUse>> Of(BlockRun run) {
    HOLDFAST_TRY(tx_.Lock({ResourceClass::kGroup, group_}));
    const Superblock& superblock = volume_.medium().superblock();
    ForEachFixedPart(superblock, group_, run, [&](BlockRun part, std::string_view name) {
      uses_.push_back({part, BlockUse::Kind::kMetadata, Ino(0), FileBlock(0), name});
    });
    HOLDFAST_ASSIGN(const auto owners, volume_.reverse_map().Owners(tx_, run));
    for (const Owner& owner : owners) {
      const BlockRun part = Overlap(run, owner.run);
      const FileBlock at = owner.file_block + (part.start - owner.run.start);
      uses_.push_back({part, BlockUse::Kind::kFileData, owner.ino, at, {}});
    }
    for (const QuarantinedRun& gone : quarantined_) {
      const BlockRun part = Overlap(run, {gone.pages.start, gone.pages.length});
      if (IsEmpty(part)) continue;
      uses_.push_back({part, BlockUse::Kind::kQuarantine, gone.former_ino, FileBlock(0), {}});
    }
    std::ranges::sort(uses_, {}, [](const BlockUse& use) { return use.run; });
    HOLDFAST_TRY(AddRest(run));
    std::ranges::stable_sort(uses_, {}, [](const BlockUse& use) { return use.run.start; });
    return std::move(uses_);
  }

 private:
  // Blocks that nobody named: free, or trees and attributes, of which there is no record.
  Result<void> AddRest(BlockRun run) {
    std::vector<BlockRun> rest;
    Pfn at = run.start;
    for (const BlockUse& use : uses_) {
      if (use.run.start > at) rest.push_back({at, use.run.start - at});
      at = std::max(at, use.run.end());
    }
    if (at < run.end()) rest.push_back({at, run.end() - at});
    for (const BlockRun& part : rest) HOLDFAST_TRY(AddUnnamed(part));
    return {};
  }

  Result<void> AddUnnamed(BlockRun run) {
    const GroupLayout layout = LayoutOfGroup(volume_.medium().superblock(), group_);
    Pfn at = run.start;
    const auto add_used = [&](Pfn end) {
      if (at >= end) return;
      uses_.push_back({{at, end - at}, BlockUse::Kind::kMetadata, Ino(0), FileBlock(0), "tree"});
    };
    HOLDFAST_TRY(GroupBitmap(group_, layout).ForEachFreeRun(tx_, [&](BlockRun free) {
      const BlockRun part = Overlap(run, free);
      if (IsEmpty(part)) return;
      add_used(part.start);
      uses_.push_back({part, BlockUse::Kind::kFree, Ino(0), FileBlock(0), {}});
      at = part.end();
    }));
    add_used(run.end());
    return {};
  }

  Volume& volume_;
  Transaction& tx_;
  const uint64_t group_;
  const std::vector<QuarantinedRun>& quarantined_;
  std::vector<BlockUse> uses_;
};

std::string_view NameOfSystemFile(Ino ino) {
  switch (ino.value()) {
    case kInoInodeFile:
      return "inodes";
    case kInoOrphanFile:
      return "orphan file";
    case kInoQuarantine:
      return "quarantine file";
    default:
      return "system file";
  }
}

// What an inode's blocks are to the filesystem, which its record does not say. False: there is no
// such inode by now.
Result<bool> Classify(Volume& volume, BlockUse* use) {
  if (use->ino < Ino(kInoFirstFree) && use->ino != Ino(kInoRoot)) {
    use->kind = BlockUse::Kind::kMetadata;
    use->what = NameOfSystemFile(use->ino);
    return true;
  }
  const InodeRef inode = volume.live().Get(use->ino);
  absl::ReaderMutexLock meta(&inode->meta);
  const auto slot = volume.inodes().Read(volume.medium(), use->ino);
  if (!slot && slot.error().code == ESTALE) return false;
  if (!slot) return std::unexpected(slot.error());
  if (S_ISDIR((*slot)->mode)) {
    use->kind = BlockUse::Kind::kMetadata;
    use->what = "directory";
  }
  return true;
}

}  // namespace

std::string_view NameOf(BlockUse::Kind kind) {
  switch (kind) {
    case BlockUse::Kind::kFree:
      return "free";
    case BlockUse::Kind::kFileData:
      return "file";
    case BlockUse::Kind::kMetadata:
      return "metadata";
    case BlockUse::Kind::kQuarantine:
      return "quarantine";
  }
  return "unknown";
}

Result<std::vector<BlockUse>> UsesOf(Volume& volume, Pfn start, BlockCount length) {
  const auto quarantined = volume.layouts().quarantine().List();
  const uint64_t group_blocks = volume.medium().superblock().group_blocks;
  const Pfn end = std::min(start + length, Pfn(0) + volume.medium().blocks());
  std::vector<BlockUse> all;
  for (Pfn at = start; at < end;) {
    const uint64_t group = volume.allocator().GroupOf(at);
    const Pfn stop = std::min(end, Pfn((group + 1) * group_blocks));
    HOLDFAST_ASSIGN(std::vector<BlockUse> uses, volume.transactions().Run([&](Transaction& tx) {
      return GroupUses(volume, tx, group, quarantined).Of({at, stop - at});
    }));
    for (BlockUse& use : uses) {
      bool exists = true;
      if (use.kind == BlockUse::Kind::kFileData) {
        HOLDFAST_ASSIGN(exists, Classify(volume, &use));
      }
      if (exists) all.push_back(use);
    }
    at = stop;
  }
  return all;
}

}  // namespace holdfast::fsmeta
