// SPDX-License-Identifier: Apache-2.0
// The filesystem as its users see it: POSIX-like operations over a mounted volume, without FUSE.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/attributes.h"
#include "fsmeta/layout_piece.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

class DirectAccess;
class Namespace;
class FileData;
class Xattrs;

/// One directory entry as readdir hands it out. `cookie` is the position after it.
struct DirectoryItem {
  Ino ino;
  uint8_t type = 0;  ///< DT_*
  std::string_view name;
  uint64_t cookie = 0;
};

struct StatFs {
  uint64_t blocks = 0;  ///< 4 KiB blocks
  uint64_t free = 0;
  uint64_t available = 0;  ///< without the reserve
  uint64_t inodes = 0;
  uint64_t free_inodes = 0;
};

/// Every operation is atomic, durable when it returns (timestamps excepted), and may be called from
/// any thread. An operation that has to wait returns a blocked Error having changed nothing; the
/// caller parks the request and calls again (rule L3). Errors are the errno POSIX asks for; a bad
/// medium is EUCLEAN, failed memory EIO. After a crash at any moment the region mounts in
/// O(journal) and holds every completed operation, whole, and each interrupted one whole or not at
/// all.
class Filesystem {
 public:
  static Result<std::unique_ptr<Filesystem>> Mount(std::unique_ptr<Region> region,
                                                   const MountOptions& options);
  /// Finishes orphans left by a crash; run once after Mount, may run beside other operations.
  Result<void> FinishOrphans();
  /// Writes lazy times. The destructor does this too; here errors can be seen.
  Result<void> Sync();
  ~Filesystem();

  Volume& volume() { return *volume_; }

  // -- Names. Each that returns Attributes of a child adds one lookup to it (FUSE semantics: the
  // kernel forgets it later). Names are 1..255 bytes without '/' and NUL: ENAMETOOLONG, EINVAL.
  Result<Attributes> Lookup(Ino parent, std::string_view name);
  void Forget(Ino ino, uint64_t lookups);
  Result<Attributes> MakeNode(const OpContext& op, Ino parent, std::string_view name, uint32_t mode,
                              uint64_t rdev);  ///< files, devices, fifos, sockets
  Result<Attributes> MakeDirectory(const OpContext& op, Ino parent, std::string_view name,
                                   uint32_t mode);
  Result<Attributes> MakeSymlink(const OpContext& op, Ino parent, std::string_view name,
                                 std::string_view target);
  Result<Attributes> MakeTemporary(const OpContext& op, Ino parent, uint32_t mode);  ///< O_TMPFILE
  Result<Attributes> Link(const OpContext& op, Ino ino, Ino parent, std::string_view name);
  Result<void> Unlink(const OpContext& op, Ino parent, std::string_view name);
  Result<void> RemoveDirectory(const OpContext& op, Ino parent, std::string_view name);
  /// `flags`: RENAME_NOREPLACE, RENAME_EXCHANGE; anything else EINVAL.
  Result<void> Rename(const OpContext& op, Ino parent, std::string_view name, Ino new_parent,
                      std::string_view new_name, unsigned flags);
  Result<std::string> ReadSymlink(Ino ino);
  /// Calls `emit` for each entry after position `cookie` (0 = start; "." and ".." come first) until
  /// it returns false.
  Result<void> ReadDirectory(Ino ino, uint64_t cookie,
                             const std::function<bool(const DirectoryItem&)>& emit);
  /// Adds one lookup to an inode (readdirplus answers with entries).
  Result<Attributes> AddLookup(Ino ino);
  Result<Ino> ParentOf(Ino directory);

  // -- Attributes.
  Result<Attributes> GetAttributes(Ino ino);
  Result<Attributes> SetAttributes(const OpContext& op, Ino ino, const AttributeChange& change);
  Result<std::string> GetXattr(Ino ino, std::string_view name);  ///< ENODATA
  /// `flags`: XATTR_CREATE, XATTR_REPLACE. Sets the mode bits too for system.posix_acl_access.
  Result<void> SetXattr(const OpContext& op, Ino ino, std::string_view name, std::string_view value,
                        int flags, bool kill_sgid = false);
  Result<void> RemoveXattr(const OpContext& op, Ino ino, std::string_view name);
  Result<std::string> ListXattr(Ino ino);  ///< names, each NUL-terminated
  Result<StatFs> GetStatFs();

  // -- Open files. The handle is the inode number: it carries no pointer and survives a restart.
  Result<void> Open(Ino ino);
  void Release(Ino ino);

  // -- Data. Offsets and lengths in bytes, up to 2^60 (EFBIG).
  /// Calls `reply` once with the pieces of [offset, offset + length) clipped at the end of the
  /// file, straight from the region (holes from a page of zeroes), while nothing can free or change
  /// them.
  Result<void> Read(Ino ino, uint64_t offset, uint64_t length,
                    const std::function<void(std::span<const iovec>)>& reply);
  /// Returns how much was written: all, or what fitted before ENOSPC (> 0), else the error.
  Result<uint64_t> Write(const OpContext& op, Ino ino, uint64_t offset,
                         std::span<const std::byte> data, bool kill_suid_sgid);
  /// As Write, for what a page cache that does not own the size of files wrote late: what lies past
  /// the end of the file by now was cut off after it was written, so it is left out and counts as
  /// written.
  Result<uint64_t> WriteBack(const OpContext& op, Ino ino, uint64_t offset,
                             std::span<const std::byte> data);
  /// `mode`: 0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE], COLLAPSE_RANGE,
  /// INSERT_RANGE, UNSHARE_RANGE. EOPNOTSUPP for other combinations.
  Result<void> Allocate(const OpContext& op, Ino ino, int mode, uint64_t offset, uint64_t length);
  /// SEEK_DATA / SEEK_HOLE; ENXIO past the end.
  Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence);
  /// Shares blocks where source, destination and length allow it (equal offsets within blocks),
  /// copies the rest. Returns bytes copied. EINVAL for overlapping ranges of one file.
  Result<uint64_t> CopyRange(const OpContext& op, Ino source, uint64_t source_offset,
                             Ino destination, uint64_t destination_offset, uint64_t length);
  /// Shares blocks or fails with nothing changed: EINVAL when offsets or length are not multiples
  /// of 4 KiB (the length may end at the source's end of file). length 0 = to the end of the
  /// source.
  Result<void> Reflink(const OpContext& op, Ino source, uint64_t source_offset, Ino destination,
                       uint64_t destination_offset, uint64_t length);
  /// Up to `max` pieces that cover [offset, ...): the end of the file if fewer come back.
  Result<std::vector<LayoutPiece>> Layout(Ino ino, uint64_t offset, uint64_t length, size_t max);
  Result<void> Fsync(Ino ino, bool data_only);

  /// Leases, layouts under them and pins, for clients that map blocks themselves.
  DirectAccess& direct() { return *direct_; }

 private:
  Filesystem() = default;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<Xattrs> xattrs_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileData> data_;
  std::unique_ptr<DirectAccess> direct_;
};

}  // namespace holdfast::fsmeta
