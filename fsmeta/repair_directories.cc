// SPDX-License-Identifier: Apache-2.0
// Choosing parents, rewriting blocks, rebuilding indexes.
#include "fsmeta/repair_directories.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "absl/container/flat_hash_set.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/repair_entries.h"
#include "fsmeta/repair_extents.h"
#include "fsmeta/repair_tree.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kDirectory[] = "directory";

std::vector<uint64_t> DirectoriesOf(RepairState& state) {
  std::vector<uint64_t> directories;
  for (uint64_t ino = 0; ino < state.inode_count(); ++ino) {
    if (S_ISDIR(state.inodes[ino].mode)) directories.push_back(ino);
  }
  return directories;
}

// Which entry of a directory counts, if several name it: that of the parent its slot knows.
void ChooseParents(RepairState& state, uint64_t ino) {
  const InodeSlot slot = *state.Slot(ino);
  for (const FoundBlock& block : FindEntries(state, slot)) {
    for (const DirectoryRecord& entry : block.entries) {
      InodePicture& child = state.inodes[entry.target.ino.value()];
      if (!S_ISDIR(child.mode)) continue;
      if (child.found_parent == 0 || child.parent == ino) child.found_parent = ino;
    }
  }
}

// A loop of directories is cut at its smallest number, which goes to lost+found.
void CutLoops(RepairState& state, const std::vector<uint64_t>& directories) {
  std::vector<uint64_t> seen_by(state.inode_count());  // walk that came by, 0 = none
  for (const uint64_t start : directories) {
    uint64_t at = start;
    while (at != 0 && at != kInoRoot && seen_by[at] == 0) {
      seen_by[at] = start;
      at = state.inodes[at].found_parent;
    }
    if (at == 0 || at == kInoRoot || seen_by[at] != start) continue;
    uint64_t least = at;
    for (uint64_t i = state.inodes[at].found_parent; i != at; i = state.inodes[i].found_parent) {
      least = std::min(least, i);
    }
    state.inodes[least].found_parent = 0;
    state.log.Fixed(kDirectory, least, "is not its own ancestor any more");
  }
}

class Rewrite {
 public:
  Rewrite(RepairState& state, uint64_t ino) : state_(state), ino_(ino) {}

  void Run() {
    const InodeSlot slot = *state_.Slot(ino_);
    for (FoundBlock& block : FindEntries(state_, slot)) RewriteBlock(block);
  }

 private:
  void RewriteBlock(FoundBlock& block) {
    const auto strangers = std::erase_if(
        block.entries, [&](const DirectoryRecord& entry) { return !IsOwnChild(entry); });
    block.dropped += strangers;
    for (const DirectoryRecord& entry : block.entries) {
      ++state_.inodes[entry.target.ino.value()].links;
    }
    if (!block.changed && strangers == 0) return;
    Tell(block);
    DirectoryBlock fresh{};
    FillBlock(&fresh, block.entries);
    state_.PutBlock(block.at, ObjectType::kDirectory, ino_, fresh);
  }

  // Directories have one name.
  bool IsOwnChild(const DirectoryRecord& entry) {
    const uint64_t child = entry.target.ino.value();
    if (!S_ISDIR(state_.inodes[child].mode)) return true;
    return state_.inodes[child].found_parent == ino_ && children_.insert(child).second;
  }

  void Tell(const FoundBlock& block) {
    const std::string where = absl::StrCat("block ", block.at.value());
    if (block.unsound) {
      state_.log.Lost(kDirectory, ino_,
                      absl::StrCat(where, " is unsound; ", block.entries.size(),
                                   " entries that prove themselves are saved from it"));
    } else if (block.dropped != 0) {
      state_.log.Lost(kDirectory, ino_,
                      absl::StrCat(block.dropped, " entries of ", where,
                                   " lead nowhere, or have names that cannot be, or name a "
                                   "directory that has another name; removed"));
    } else {
      state_.log.Fixed(kDirectory, ino_, absl::StrCat("entries of ", where, " are corrected"));
    }
  }

  RepairState& state_;
  const uint64_t ino_;
  absl::flat_hash_set<uint64_t> children_;
};

// The index that the entries of sound blocks ask for; empty for a single block.
struct DirectoryFacts {
  std::vector<TreeRecord> index;
  uint64_t entries = 0;
  uint64_t subdirectories = 0;
};

DirectoryFacts FactsOf(RepairState& state, const InodeSlot& slot) {
  DirectoryFacts facts;
  const auto blocks = FindEntries(state, slot);
  for (const FoundBlock& block : blocks) {
    for (const DirectoryRecord& entry : block.entries) {
      const uint64_t ino = entry.target.ino.value();
      const uint64_t hash = HashName(entry.name, state.superblock().hash_seed);
      ++facts.entries;
      if (S_ISDIR(state.inodes[ino].mode)) ++facts.subdirectories;
      if (blocks.size() > 1) {
        facts.index.push_back({{{hash, PositionOf(block.file_block, entry.offset)}}, {ino}});
      }
    }
  }
  std::ranges::sort(facts.index, {}, &TreeRecord::key);
  return facts;
}

bool IndexIs(RepairState& state, const InodeSlot& slot, std::span<const TreeRecord> expected) {
  if (expected.empty()) return IsEmptyRoot(slot.dir_index, TreeKind::kDirectory);
  const uint64_t ino = slot.header.owner;
  CheckReport scratch;
  std::vector<TreeRecord> found;
  WalkTree(
      state.image, &scratch, {TreeKind::kDirectory, ino, kDirectory, ""}, slot.dir_index,
      [&](Pfn node) {
        return state.image.Contains(node.value(), 1) && !IsFixedBlock(state.superblock(), node);
      },
      [&](const TreeRecord& record) { found.push_back(record); });
  return scratch.clean() && std::ranges::equal(found, expected);
}

}  // namespace

Result<void> FinishDirectory(RepairState& state, uint64_t ino) {
  const InodeSlot old = *state.Slot(ino);
  InodeSlot slot = old;
  const DirectoryFacts facts = FactsOf(state, slot);
  if (!IndexIs(state, slot, facts.index)) {
    state.log.Fixed(kDirectory, ino, "its index is rebuilt");
    HOLDFAST_ASSIGN(slot.dir_index, BuildTree(state, TreeKind::kDirectory, ino, facts.index));
    if (facts.index.empty()) slot.dir_index = {};
  }
  InodePicture& picture = state.inodes[ino];
  slot.dir_entries = facts.entries;
  slot.dir_subdirs = facts.subdirectories;
  const bool deleted = slot.nlink == 0 && picture.links == 0 && facts.entries == 0;
  if (!deleted) slot.nlink = static_cast<uint32_t>(2 + facts.subdirectories);
  if (ino == kInoRoot) {
    slot.parent = kInoRoot;
  } else if (picture.found_parent != 0) {
    slot.parent = picture.found_parent;
  }
  if (!deleted) slot.size = EndOf(FindExtents(state, slot).extents) << kBlockShift;
  picture.nlink = slot.nlink;
  picture.parent = slot.parent;
  if (std::memcmp(&slot, &old, sizeof(slot)) == 0) return {};
  state.log.Fixed(kDirectory, ino, "its counts, parent and size follow its entries");
  state.PutSlot(ino, slot);
  return {};
}

Result<void> RepairDirectories(RepairState& state) {
  const std::vector<uint64_t> directories = DirectoriesOf(state);
  for (const uint64_t ino : directories) ChooseParents(state, ino);
  CutLoops(state, directories);
  for (const uint64_t ino : directories) Rewrite(state, ino).Run();
  for (const uint64_t ino : directories) HOLDFAST_TRY(FinishDirectory(state, ino));
  return {};
}

}  // namespace holdfast::fsmeta
