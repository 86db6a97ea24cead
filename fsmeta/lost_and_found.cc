// SPDX-License-Identifier: Apache-2.0
// Finding nameless inodes, and naming them.
#include "fsmeta/lost_and_found.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "fsmeta/directory_block.h"
#include "fsmeta/directory_index.h"
#include "fsmeta/repair_directories.h"
#include "fsmeta/repair_entries.h"
#include "fsmeta/repair_extents.h"
#include "fsmeta/repair_inode_file.h"
#include "fsmeta/slot_fields.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kInode[] = "inode";

}  // namespace

Result<void> LostAndFound::Run() {
  const uint64_t count = state_.inode_count();  // lost+found itself may come behind
  for (uint64_t ino = kInoFirstFree; ino < count; ++ino) {
    const InodePicture& inode = state_.inodes[ino];
    if (inode.mode == 0 || ino == directory_) continue;
    if (inode.links == 0 && inode.nlink != 0) {
      HOLDFAST_TRY(Adopt(ino));
    } else if (!S_ISDIR(inode.mode) && inode.links != inode.nlink) {
      InodeSlot slot = *state_.Slot(ino);
      state_.log.Fixed(kInode, ino,
                       absl::StrCat("its link count is ", inode.links, ", not ", slot.nlink));
      slot.nlink = inode.links;
      state_.PutSlot(ino, slot);
      state_.inodes[ino].nlink = inode.links;
    }
  }
  if (directory_ == 0) return {};
  HOLDFAST_TRY(FinishDirectory(state_, directory_));
  return FinishDirectory(state_, kInoRoot);
}

Result<void> LostAndFound::Adopt(uint64_t ino) {
  HOLDFAST_ASSIGN(const uint64_t directory, Directory());
  if (ino == directory) return {};
  const std::string name = absl::StrCat("#", ino);
  std::string free_name = name;
  for (int i = 1; !names_.insert(free_name).second; ++i) free_name = absl::StrCat(name, ".", i);
  HOLDFAST_TRY(AddEntry(directory, free_name, ino));
  InodeSlot slot = *state_.Slot(ino);
  if (S_ISDIR(slot.mode)) {
    slot.parent = directory;
    state_.inodes[ino].found_parent = directory;
  } else {
    slot.nlink = 1;
  }
  state_.PutSlot(ino, slot);
  state_.inodes[ino].nlink = slot.nlink;
  state_.inodes[ino].parent = slot.parent;
  state_.inodes[ino].links = 1;
  state_.log.Fixed(kInode, ino, absl::StrCat("has no name; it is lost+found/", free_name, " now"));
  return {};
}

std::optional<uint64_t> LostAndFound::FindName(uint64_t directory, const std::string& name) {
  const InodeSlot slot = *state_.Slot(directory);
  for (const FoundBlock& block : FindEntries(state_, slot)) {
    for (const DirectoryRecord& entry : block.entries) {
      if (entry.name == name) return entry.target.ino.value();
    }
  }
  return std::nullopt;
}

Result<uint64_t> LostAndFound::Directory() {
  if (directory_ != 0) return directory_;
  HOLDFAST_ASSIGN(directory_, FindOrMake());
  const InodeSlot slot = *state_.Slot(directory_);
  for (const FoundBlock& block : FindEntries(state_, slot)) {
    for (const DirectoryRecord& entry : block.entries) names_.emplace(entry.name);
  }
  return directory_;
}

// The one that is there, or a new one under the first name that is free.
Result<uint64_t> LostAndFound::FindOrMake() {
  std::string name = "lost+found";
  for (int i = 1;; ++i) {
    const auto found = FindName(kInoRoot, name);
    if (!found) return MakeDirectory(name);
    if (S_ISDIR(state_.inodes[*found].mode)) return *found;
    name = absl::StrCat("lost+found.", i);
  }
}

Result<uint64_t> LostAndFound::MakeDirectory(const std::string& name) {
  HOLDFAST_ASSIGN(const uint64_t ino, FreeInode());
  InodeSlot slot{};
  slot.header.owner = ino;
  slot.mode = S_IFDIR | 0700;
  slot.nlink = 2;
  slot.generation = state_.Slot(ino)->generation + 1;
  if (slot.generation == 0) slot.generation = 1;
  slot.parent = kInoRoot;
  slot.atime_sec = static_cast<int64_t>(state_.superblock().mounted_at);
  slot.mtime_sec = slot.ctime_sec = slot.btime_sec = slot.atime_sec;
  state_.PutSlot(ino, slot);
  state_.inodes[ino] = {
      .mode = slot.mode, .nlink = 2, .links = 1, .parent = kInoRoot, .found_parent = kInoRoot};
  HOLDFAST_TRY(AddEntry(kInoRoot, name, ino));
  state_.new_lost_and_found = ino;
  state_.log.Fixed(absl::StrCat("directory ", name, " is made"));
  return ino;
}

Result<uint64_t> LostAndFound::FreeInode() {
  for (int round = 0; round < 2; ++round) {
    for (uint64_t ino = kInoFirstFree; ino < state_.inode_count(); ++ino) {
      const InodeSlot* slot = state_.Slot(ino);
      if (slot != nullptr && slot->mode == 0) return ino;
    }
    HOLDFAST_TRY(AddCluster(state_));
  }
  return Fail(ENOSPC, "there is no free inode for lost+found");
}

// In the last block, or a new one behind it.
Result<void> LostAndFound::AddEntry(uint64_t directory, const std::string& name, uint64_t ino) {
  InodeSlot slot = *state_.Slot(directory);
  ExtentList extents = FindExtents(state_, slot).extents;
  const HashedName hashed{name, HashName(name, state_.superblock().hash_seed)};
  const EntryTarget target{Ino(ino), static_cast<uint8_t>(IFTODT(state_.inodes[ino].mode))};
  if (!extents.empty()) {
    const Pfn at(extents.back().block + extents.back().length - 1);
    HOLDFAST_ASSIGN(const auto* old,
                    state_.image.Block<DirectoryBlock>(at, ObjectType::kDirectory, directory));
    DirectoryBlock block = *old;
    HOLDFAST_ASSIGN(const auto offset, InsertEntry(&block, hashed, target));
    if (offset) {
      state_.PutBlock(at, ObjectType::kDirectory, directory, block);
      return {};
    }
  }
  HOLDFAST_ASSIGN(const Pfn at, state_.space.Allocate());
  DirectoryBlock block{};
  InitDirectoryBlock(&block);
  HOLDFAST_TRY(InsertEntry(&block, hashed, target));
  state_.PutBlock(at, ObjectType::kDirectory, directory, block);
  extents.push_back({EndOf(extents), at.value(), 1, 0});
  HOLDFAST_TRY(SetExtents(state_, &slot, extents));
  slot.size = EndOf(extents) << kBlockShift;
  state_.PutSlot(directory, slot);
  return {};
}

}  // namespace holdfast::fsmeta
