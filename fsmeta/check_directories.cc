// SPDX-License-Identifier: Apache-2.0
// The pass over directory blocks and directory indexes.
#include "fsmeta/check_directories.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/check_extents.h"
#include "fsmeta/check_inodes.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/directory_index.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kDirectory[] = "directory";

// What the index must hold for an entry.
struct IndexedEntry {
  uint64_t hash;
  EntryPosition position;
  uint64_t ino;
  auto operator<=>(const IndexedEntry&) const = default;
};

std::string Quoted(std::string_view name) {
  return absl::StrCat("'", absl::CHexEscape(absl::string_view(name.data(), name.size())), "'");
}

const char* FaultInName(std::string_view name) {
  if (name == "." || name == "..") return "is a name no entry may have";
  if (name.find('/') != std::string_view::npos) return "has a / in its name";
  if (name.find('\0') != std::string_view::npos) return "has a NUL in its name";
  return nullptr;
}

class Check {
 public:
  Check(CheckState& state, const InodeSlot& slot)
      : state_(state), slot_(slot), ino_(slot.header.owner), location_(absl::StrCat(ino_)) {}

  void Run() {
    CheckFirstBlock();
    ForEachMetadataBlock(
        state_, slot_, [&](uint64_t file_block, Pfn at) { CheckBlock(FileBlock(file_block), at); });
    Expect("dir_entries", slot_.dir_entries, uint64_t{entries_.size()});
    Expect("dir_subdirs", slot_.dir_subdirs, subdirectories_);
    CheckIndex();
    CheckNamesDiffer();
  }

 private:
  void Error(std::string what) { state_.report.Error(kDirectory, location_, std::move(what)); }
  void Expect(std::string_view what, uint64_t found, uint64_t expected) {
    state_.report.Expect(kDirectory, location_, what, found, expected);
  }

  // The search in a directory of a single block looks nowhere else.
  void CheckFirstBlock() {
    std::optional<uint64_t> first;
    ForEachSoundExtent(state_, slot_, [&](const ExtentRecord& extent) {
      if (!first) first = extent.file_block;
    });
    if (first.value_or(0) != 0) Error(absl::StrCat("begins with its block ", *first));
  }

  void CheckBlock(FileBlock file_block, Pfn at) {
    const auto loaded = state_.image.Block<DirectoryBlock>(at, ObjectType::kDirectory, ino_);
    if (!loaded) return Error(ReasonOf(loaded.error()));
    bool last_was_free = false;
    const auto walked = ForEachRecord(**loaded, [&](const DirectoryRecord& record) {
      if (record.free() && last_was_free) {
        Error(absl::StrCat("block ", at.value(), " has free records side by side at ",
                           record.offset));
      }
      last_was_free = record.free();
      if (!record.free()) CheckEntry(PositionOf(file_block, record.offset), record);
      return true;
    });
    if (!walked) Error(ReasonOf(walked.error()));
  }

  void CheckEntry(EntryPosition position, const DirectoryRecord& record) {
    const uint64_t hash = HashName(record.name, state_.image.superblock().hash_seed);
    const uint64_t target = record.target.ino.value();
    entries_.push_back({hash, position, target});
    names_.emplace_back(record.name);
    const std::string entry = absl::StrCat("entry ", Quoted(record.name));
    if (const char* fault = FaultInName(record.name)) Error(absl::StrCat(entry, " ", fault));
    if (record.hash != static_cast<uint32_t>(hash)) {
      Error(absl::StrCat(entry, " has hash ", record.hash, ", expected ",
                         static_cast<uint32_t>(hash)));
    }
    if (target < kInoFirstFree || !state_.inodes.Exists(target)) {
      return Error(absl::StrCat(entry, " names inode ", target, ", which it may not or which is ",
                                "not in use"));
    }
    InodePicture& inode = state_.inodes[target];
    if (record.target.type != IFTODT(inode.mode)) {
      Error(absl::StrCat(entry, " has type ", int{record.target.type}, ", its inode ",
                         IFTODT(inode.mode)));
    }
    ++inode.links;
    if (S_ISDIR(inode.mode)) {
      ++subdirectories_;
      CheckParent(entry, target, inode);
    }
  }

  void CheckParent(const std::string& entry, uint64_t target, InodePicture& child) {
    if (child.found_parent != 0) {
      return Error(absl::StrCat(entry, " names directory ", target, ", which directory ",
                                child.found_parent, " has already"));
    }
    child.found_parent = ino_;
    state_.report.Expect(kDirectory, absl::StrCat(target), "parent", child.parent, ino_);
  }

  // Entries and index one to one; no index for a single block.
  void CheckIndex() {
    std::ranges::sort(entries_);
    const bool wanted = slot_.blocks > 1;
    if ((slot_.dir_index.node != 0) != wanted) {
      Error(wanted ? "has no index, but more than one block" : "has an index for a single block");
      if (wanted) return;
    }
    const TreeName name{TreeKind::kDirectory, ino_, kDirectory, absl::StrCat(ino_, " index")};
    auto expected = entries_.begin();
    const bool sound = WalkTree(
        state_.image, &state_.report, name, slot_.dir_index,
        [&](Pfn node) { return state_.claims.AddBlock(node, ino_); },
        [&](const TreeRecord& record) {
          const IndexedEntry found{record.key.words[0], record.key.words[1], record.value[0]};
          for (; wanted && expected != entries_.end() && *expected < found; ++expected) {
            Missing(*expected);
          }
          if (expected != entries_.end() && *expected == found) {
            ++expected;
          } else {
            Error(absl::StrCat("index names an entry at position ", found.position, " for inode ",
                               found.ino, ", which is not there"));
          }
        });
    if (!wanted || !sound) return;
    for (; expected != entries_.end(); ++expected) Missing(*expected);
  }

  void Missing(const IndexedEntry& entry) {
    Error(absl::StrCat("entry at position ", entry.position, " is not in the index"));
  }

  void CheckNamesDiffer() {
    std::ranges::sort(names_);
    for (auto twice = std::ranges::adjacent_find(names_); twice != names_.end();
         twice = std::adjacent_find(twice + 1, names_.end())) {
      Error(absl::StrCat("entry ", Quoted(*twice), " is there twice"));
    }
  }

  CheckState& state_;
  const InodeSlot& slot_;
  const uint64_t ino_;
  const std::string location_;
  std::vector<IndexedEntry> entries_;
  std::vector<std::string_view> names_;  // in the image
  uint64_t subdirectories_ = 0;
};

// Directories between `ino` and the root, or a loop, or one known already, get the verdict.
class Reachability {
 public:
  explicit Reachability(CheckState& state) : state_(state), verdicts_(state.inodes.size()) {
    verdicts_[kInoRoot] = Verdict::kReached;
  }

  bool Reached(uint64_t ino) {
    std::vector<uint64_t> path;
    Verdict verdict = Verdict::kUnknown;
    for (uint64_t at = ino; verdict == Verdict::kUnknown; at = state_.inodes[at].found_parent) {
      if (at == 0) {
        verdict = Verdict::kLost;  // nobody has an entry for it
      } else if (verdicts_[at] == Verdict::kOnPath) {
        verdict = Verdict::kLost;
        state_.report.Error(kDirectory, absl::StrCat(at), "is its own ancestor");
      } else if (verdicts_[at] != Verdict::kUnknown) {
        verdict = verdicts_[at];
      } else {
        verdicts_[at] = Verdict::kOnPath;
        path.push_back(at);
      }
    }
    for (const uint64_t at : path) verdicts_[at] = verdict;
    return verdict == Verdict::kReached;
  }

 private:
  enum class Verdict : uint8_t { kUnknown, kOnPath, kReached, kLost };
  CheckState& state_;
  std::vector<Verdict> verdicts_;
};

void CheckDirectoryLinks(CheckState& state, uint64_t ino, Reachability& reachability) {
  const InodePicture& inode = state.inodes[ino];
  const InodeSlot* slot = SlotForCheck(state, ino);
  const std::string location = absl::StrCat(ino);
  if (inode.nlink == 0) {
    if (inode.links != 0) state.report.Error(kDirectory, location, "is deleted, but has a name");
    if (slot != nullptr && slot->dir_entries != 0) {
      state.report.Error(kDirectory, location, "is deleted, but not empty");
    }
    return;
  }
  if (slot != nullptr) {
    state.report.Expect(kDirectory, location, "nlink", uint64_t{inode.nlink},
                        slot->dir_subdirs + 2);
  }
  if (ino == kInoRoot) {
    state.report.Expect(kDirectory, location, "parent", inode.parent, uint64_t{kInoRoot});
  } else if (!reachability.Reached(ino)) {
    state.report.Error(kDirectory, location, "cannot be reached from the root");
  }
}

}  // namespace

void CheckDirectories(CheckState& state) {
  for (const uint64_t ino : state.directories) {
    if (const InodeSlot* slot = SlotForCheck(state, ino)) Check(state, *slot).Run();
  }
}

void CheckLinks(CheckState& state) {
  if (!state.inodes.Exists(kInoRoot)) {
    state.report.Error(kDirectory, absl::StrCat(kInoRoot), "the root is missing");
  }
  Reachability reachability(state);
  for (uint64_t ino = 0; ino < state.inodes.size(); ++ino) {
    const InodePicture& inode = state.inodes[ino];
    if (inode.mode == 0) continue;
    if (S_ISDIR(inode.mode)) {
      CheckDirectoryLinks(state, ino, reachability);
    } else {
      // The filesystem's own files have no name and one link.
      const uint32_t expected = ino < kInoFirstFree ? 1 : inode.links;
      state.report.Expect("inode", absl::StrCat(ino), "nlink", inode.nlink, expected);
    }
  }
}

}  // namespace holdfast::fsmeta
