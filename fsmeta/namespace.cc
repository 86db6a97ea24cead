// SPDX-License-Identifier: Apache-2.0
// Looking names up, listing them, and what all changes of names have in common.
#include "fsmeta/namespace.h"

#include <dirent.h>
#include <sys/stat.h>

#include <vector>

#include "absl/strings/str_format.h"
#include "fsmeta/symlink.h"

namespace holdfast::fsmeta {
namespace {

// Cookies below the first possible position in a block.
constexpr uint64_t kAfterDot = 1;
constexpr uint64_t kAfterDotDot = 2;
static_assert(kAfterDotDot < kRecordsBegin);

// The cookie that goes on after an entry: less than any later entry's position.
constexpr uint64_t CookieAfter(EntryPosition position) { return position + 1; }

// The entries of one block, copied out so that they can be handed on without the lock.
struct Listing {
  struct Item {
    EntryTarget target;
    EntryPosition position;
    size_t name_begin;
    size_t name_length;
  };
  std::vector<Item> items;
  std::string names;

  void Add(EntryPosition position, const DirectoryRecord& record) {
    items.push_back({record.target, position, names.size(), record.name.size()});
    names.append(record.name);
  }
  bool Emit(const std::function<bool(const DirectoryItem&)>& emit) const {
    const std::string_view all = names;
    for (const Item& item : items) {
      const std::string_view name = all.substr(item.name_begin, item.name_length);
      if (!emit({item.target.ino, item.target.type, name, CookieAfter(item.position)})) {
        return false;
      }
    }
    return true;
  }
};

}  // namespace

Result<void> CheckEntryName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Fail(ENAMETOOLONG);
  if (name.empty() || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return Fail(EINVAL);
  }
  return {};
}

uint8_t EntryTypeOf(const InodeSlot& slot) { return static_cast<uint8_t>(IFTODT(slot.mode)); }

Result<void> AddSubdirectories(InodeSlot* slot, int delta) {
  if (delta > 0 && slot->dir_subdirs + 2 >= kMaxLinks) return Fail(EMLINK);
  if (delta < 0 && slot->dir_subdirs == 0) {
    return Fail(EUCLEAN, absl::StrFormat("directory %d: its count of subdirectories is too low; "
                                         "run fsck.holdfast",
                                         slot->header.owner));
  }
  slot->dir_subdirs += static_cast<uint64_t>(static_cast<int64_t>(delta));
  slot->nlink = static_cast<uint32_t>(2 + slot->dir_subdirs);
  return {};
}

Result<const InodeSlot*> Namespace::ReadDirectorySlot(Ino ino) {
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
  if (!S_ISDIR(slot->mode)) return Fail(ENOTDIR);
  if (slot->nlink == 0) return Fail(ENOENT);
  return slot;
}

Result<InodeSlot*> Namespace::EditDirectorySlot(Transaction& tx, const LiveInode& directory) {
  HOLDFAST_TRY(ReadDirectorySlot(directory.ino));
  return volume_.inodes().Edit(tx, directory.ino);
}

Result<InodeSlot*> Namespace::EditChildSlot(Transaction& tx, const LiveInode& child) {
  auto slot = volume_.inodes().Edit(tx, child.ino);
  if (!slot && slot.error().code == ESTALE) {
    return Fail(EUCLEAN, absl::StrFormat("an entry names inode %d, which does not exist; run "
                                         "fsck.holdfast",
                                         child.ino.value()));
  }
  return slot;
}

DirectoryEdit Namespace::EditOf(LiveInode& directory, InodeSlot* slot) {
  directory.meta.AssertHeld();
  if (directory.hints == nullptr) directory.hints = std::make_unique<DirectoryHints>();
  return {slot, directory.hints.get()};
}

void Namespace::StampParent(Transaction& tx, LiveInode& directory, InodeSlot* slot) {
  const timespec now = Now();
  StampTimes(tx, directory, slot, {.mtime = now, .ctime = now});
}

Result<void> Namespace::LockSteps(std::span<Step> steps, MetaLocks* locks) {
  for (;;) {
    locks->Lock();
    bool all = true;
    for (size_t i = 0; all && i < steps.size(); ++i) {
      HOLDFAST_ASSIGN(all, TryLockChild(&steps[i], locks));
    }
    if (all) return {};
    // What is still to be locked is in the set now; next time it is its turn by number.
    locks->Unlock();
  }
}

Result<bool> Namespace::TryLockChild(Step* step, MetaLocks* locks) {
  step->child = nullptr;
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadDirectorySlot(step->directory->ino));
  HOLDFAST_ASSIGN(step->entry, directories_.Find(volume_.medium(), *slot, step->name));
  if (!step->entry) return true;
  const Ino ino = step->entry->target.ino;
  if (ino == step->directory->ino) {
    return Fail(EUCLEAN,
                absl::StrFormat("directory %d contains itself; run fsck.holdfast", ino.value()));
  }
  InodeRef child = volume_.live().Get(ino);
  step->child = child.get();
  return locks->TryAdd(std::move(child));
}

Result<Attributes> Namespace::ReadAttributes(LiveInode& inode) {
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), inode.ino));
  return CurrentAttributes(inode, *slot);
}

Result<Attributes> Namespace::AddLookup(Ino ino) {
  const InodeRef inode = volume_.live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const Attributes attributes, ReadAttributes(*inode));
  volume_.live().AddLookup(*inode);
  return attributes;
}

Result<Attributes> Namespace::Lookup(Ino parent, std::string_view name) {
  HOLDFAST_TRY(CheckEntryName(name));
  if (name == ".") return AddLookup(parent);
  if (name == "..") {
    HOLDFAST_ASSIGN(const Ino above, ParentOf(parent));
    return AddLookup(above);
  }
  const InodeRef directory = volume_.live().Get(parent);
  InodeRef child;
  {
    // The reference is taken under the directory's lock: nobody removes the entry before that, and
    // nobody deletes the inode after it.
    absl::ReaderMutexLock lock(&directory->meta);
    HOLDFAST_ASSIGN(const InodeSlot* slot, ReadDirectorySlot(parent));
    HOLDFAST_ASSIGN(const auto entry,
                    directories_.Find(volume_.medium(), *slot, directories_.Hashed(name)));
    if (!entry) return Fail(ENOENT);
    child = volume_.live().Get(entry->target.ino);
  }
  absl::ReaderMutexLock lock(&child->meta);
  auto attributes = ReadAttributes(*child);
  if (!attributes && attributes.error().code == ESTALE) {
    return Fail(EUCLEAN, absl::StrFormat("directory %d: entry %s names inode %d, which does not "
                                         "exist; run fsck.holdfast",
                                         parent.value(), name, child->ino.value()));
  }
  if (attributes) volume_.live().AddLookup(*child);
  return attributes;
}

Result<Ino> Namespace::ParentOf(Ino directory) {
  const InodeRef inode = volume_.live().Get(directory);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadDirectorySlot(directory));
  return Ino(slot->parent);
}

Result<std::string> Namespace::ReadSymlink(Ino ino) {
  const InodeRef inode = volume_.live().Get(ino);
  absl::ReaderMutexLock lock(&inode->meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, volume_.inodes().Read(volume_.medium(), ino));
  HOLDFAST_ASSIGN(std::string target, fsmeta::ReadSymlink(volume_, *slot));
  TouchAccessed(*inode, *slot, volume_.atime_mode());
  return target;
}

Result<void> Namespace::ReadDirectory(Ino ino, uint64_t cookie,
                                      const std::function<bool(const DirectoryItem&)>& emit) {
  const InodeRef directory = volume_.live().Get(ino);
  HOLDFAST_ASSIGN(const Ino parent, ParentOf(ino));
  if (cookie < kAfterDot && !emit({ino, DT_DIR, ".", kAfterDot})) return {};
  if (cookie < kAfterDotDot && !emit({parent, DT_DIR, "..", kAfterDotDot})) return {};
  // `emit` may call back into the filesystem, so it runs without the lock, a block at a time;
  // positions that never change make that a sound listing.
  for (std::optional<EntryPosition> from = cookie; from;) {
    Listing listing;
    {
      absl::ReaderMutexLock lock(&directory->meta);
      HOLDFAST_ASSIGN(const InodeSlot* slot, ReadDirectorySlot(ino));
      HOLDFAST_ASSIGN(
          from, directories_.ListBlock(volume_.medium(), *slot, *from,
                                       [&](EntryPosition position, const DirectoryRecord& record) {
                                         listing.Add(position, record);
                                       }));
      TouchAccessed(*directory, *slot, volume_.atime_mode());
    }
    if (!listing.Emit(emit)) return {};
  }
  return {};
}

}  // namespace holdfast::fsmeta
