// SPDX-License-Identifier: Apache-2.0
// The tree of names: looking up, making, linking, renaming and removing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/directory.h"
#include "fsmeta/filesystem.h"
#include "fsmeta/inode_creation.h"
#include "fsmeta/meta_locks.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// The operations of class Filesystem on names; their contracts are there. Keeps the rename lock
/// and nothing else. Thread-safe: each operation takes the metadata locks of all inodes it changes,
/// in the order of LOCKING.md, and is one transaction.
///
/// Errors of all operations that are given a directory: ENOTDIR, ENOENT once it is removed, ESTALE
/// if there never was one, EUCLEAN, EIO. Of all changes: EROFS, ENOSPC.
class Namespace {
 public:
  explicit Namespace(Volume& volume)
      : volume_(volume), directories_(volume.medium(), volume.allocator(), volume.extents()) {}

  Result<Attributes> Lookup(Ino parent, std::string_view name);
  Result<Attributes> AddLookup(Ino ino);
  Result<Ino> ParentOf(Ino directory);
  Result<std::string> ReadSymlink(Ino ino);
  Result<void> ReadDirectory(Ino ino, uint64_t cookie,
                             const std::function<bool(const DirectoryItem&)>& emit);

  Result<Attributes> Make(const OpContext& op, Ino parent, std::string_view name,
                          const NewInode& what);
  Result<Attributes> MakeTemporary(const OpContext& op, Ino parent, uint32_t mode);
  Result<Attributes> Link(Ino ino, Ino parent, std::string_view name);

  Result<void> Unlink(Ino parent, std::string_view name);
  Result<void> RemoveDirectory(Ino parent, std::string_view name);
  Result<void> Rename(Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                      unsigned flags);

 private:
  /// A name in a directory that is locked, and what it leads to.
  struct Step {
    LiveInode* directory;
    HashedName name;
    std::optional<PlacedEntry> entry;
    LiveInode* child = nullptr;  ///< locked too; null if there is no such entry
  };
  /// Two steps of a rename in its transaction: a directory may be the same slot in both.
  struct Move {
    Step& from;
    Step& to;
    InodeSlot* from_dir;
    InodeSlot* to_dir;
    InodeSlot* from_child;
    InodeSlot* to_child;  ///< null: no such entry
    bool same_dir() const { return from.directory == to.directory; }
  };
  struct RenameRequest {
    Ino parent;
    std::string_view name;
    Ino new_parent;
    std::string_view new_name;
    unsigned flags;
  };
  using AncestorSet = absl::flat_hash_set<Ino>;

  Result<const InodeSlot*> ReadDirectorySlot(Ino ino);
  Result<Attributes> ReadAttributes(LiveInode& inode);
  Result<InodeSlot*> EditDirectorySlot(Transaction& tx, const LiveInode& directory);
  Result<InodeSlot*> EditChildSlot(Transaction& tx, const LiveInode& child);
  /// The directory as the running transaction changes it. Its metadata lock is held.
  DirectoryEdit EditOf(LiveInode& directory, InodeSlot* slot);
  /// The names in the directory changed.
  void StampParent(Transaction& tx, LiveInode& directory, InodeSlot* slot);

  /// Locks the directories of `steps`, which `locks` has, and what their names lead to; fills in
  /// entries and children. They stay as they are while the locks are held.
  Result<void> LockSteps(std::span<Step> steps, MetaLocks* locks);
  Result<bool> TryLockChild(Step* step, MetaLocks* locks);

  Result<Attributes> MakeIn(Transaction& tx, LiveInode& directory, std::string_view name,
                            const NewInode& what, const Caller& caller);
  Result<void> LinkIn(Transaction& tx, LiveInode& directory, std::string_view name,
                      LiveInode& child);

  Result<void> Remove(Ino parent, std::string_view name, bool directory);
  Result<void> DropLink(Transaction& tx, LiveInode& child, InodeSlot* slot);
  Result<void> DropDirectory(Transaction& tx, LiveInode& child, InodeSlot* slot, InodeSlot* parent);

  Result<void> RenameWithin(const RenameRequest& request);
  Result<void> RenameAcross(const RenameRequest& request) ABSL_LOCKS_EXCLUDED(rename_lock_);
  Result<AncestorSet> AncestorsOf(Ino directory) ABSL_SHARED_LOCKS_REQUIRED(rename_lock_);
  Result<void> RenameLocked(Step& from, Step& to, unsigned flags);
  Result<Move> BeginMove(Transaction& tx, Step& from, Step& to);
  Result<void> Replace(Transaction& tx, const Move& move);
  Result<void> MoveEntry(Transaction& tx, const Move& move);
  Result<void> Exchange(Transaction& tx, const Move& move);

  Volume& volume_;
  const Directories directories_;
  /// While it is held no directory changes its parent. Outermost of all locks.
  absl::Mutex rename_lock_;
};

/// ENAMETOOLONG; EINVAL: empty, or with '/' or NUL.
Result<void> CheckEntryName(std::string_view name);
/// What an entry for this inode says of its type (DT_*).
uint8_t EntryTypeOf(const InodeSlot& slot);
/// `delta` more directories in a directory: their count and its links. EMLINK; EUCLEAN if it does
/// not have as many as leave.
Result<void> AddSubdirectories(InodeSlot* slot, int delta);

}  // namespace holdfast::fsmeta
