// SPDX-License-Identifier: Apache-2.0
// The region: one piece of byte-addressable memory, opened, locked and mapped for one owner.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daxcore/persist.h"
#include "daxcore/result.h"
#include "daxcore/types.h"

namespace holdfast::daxcore {

/// What kind of thing a region is, as found when it was opened.
enum class RegionKind {
  kDevdax,    ///< devdax character device
  kFsdax,     ///< file on a DAX mount: stores are persistent at cache-line granularity
  kEmulated,  ///< any other file; stores *count* as persistent at cache-line granularity
  kMemory,    ///< memory of this process only (tests)
};

/// How a region is opened.
struct RegionOptions {
  bool read_only = false;
  /// Accept a plain file and treat its stores as persistent (mkfs --emulate; the superblock's flag
  /// says so later). Without it a plain file is refused with EOPNOTSUPP.
  bool allow_emulated = true;
  /// Wait this long for a previous owner that is just going away (umount returns before the
  /// daemon has exited), before the owner is named in an EBUSY error.
  std::chrono::milliseconds owner_wait{3000};
  /// With `read_only`: look at the region even while somebody owns it. What is read may change
  /// under the reader. Without it readers share the region with readers only.
  bool ignore_owner = false;
};

/// What libpmem2 says of the medium; "none" where it has nothing to say.
struct RegionFacts {
  RegionKind kind = RegionKind::kEmulated;
  std::string granularity;          ///< "byte", "cache line" or "page"
  uint64_t alignment = kBlockSize;  ///< mapping alignment the source demands, bytes
  uint64_t unsafe_shutdowns = 0;    ///< unsafe shutdown count, 0 when unknown
  bool unsafe_shutdowns_known = false;
};

/// A range of bytes of the region.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

/// Owns the descriptor, the exclusive lock (rule O1) and the mapping of a region. Open and close
/// belong to one thread; everything else is thread-safe. Nothing here survives a crash but the
/// bytes: the lock dies with the process.
class Region {
 public:
  /// Opens and maps all of `path`. Errors (all with a message): ENOENT/EACCES/... as open(2); EBUSY
  /// names the pid that owns it; EINVAL for a region smaller than one block or of an unusable kind;
  /// EOPNOTSUPP for a plain file without `allow_emulated`.
  static Result<std::unique_ptr<Region>> Open(const std::string& path,
                                              const RegionOptions& options);
  /// Creates (or, with `force`, recreates) a fully allocated plain file of `size` bytes for
  /// emulation. ENOSPC leaves nothing behind. EEXIST without `force` if `path` exists.
  static Result<void> CreateEmulatedFile(const std::string& path, uint64_t size, bool force);
  /// A zeroed region in memory, for tests and benchmarks. `size` is a multiple of 4096. With
  /// `observer`, all verbs go to it; it stores by handing them on to `own_persist()`.
  static std::unique_ptr<Region> InMemory(uint64_t size, Persist* observer = nullptr);

  /// Releases the region if that was not done.
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  /// Unmaps and unlocks; the object must not be used afterwards. EPERM, naming the owner, from any
  /// process but the one that opened it (a forked child shares the lock, it does not own it; open
  /// the region after forking). EIO if the file shrank or was exchanged while it was in use (rule
  /// O1).
  Result<void> Release();

  /// First byte. Written only through `persist()`; read directly.
  const std::byte* base() const { return base_; }
  uint64_t size() const { return size_; }
  BlockCount blocks() const { return BlockCount(size_ >> kBlockShift); }
  const std::byte* At(uint64_t offset) const { return base_ + offset; }
  const std::byte* At(Pfn pfn) const { return base_ + ByteOffset(pfn); }
  /// Address to hand to a persist verb; never stored through directly.
  void* Target(uint64_t offset) const { return base_ + offset; }
  uint64_t OffsetOf(const void* p) const {
    return static_cast<uint64_t>(static_cast<const std::byte*>(p) - base_);
  }

  Persist& persist() const { return *persist_; }
  /// The verbs that store, past any observer, which alone calls them.
  Persist& own_persist() const { return *owned_persist_; }
  /// Where the verbs store in a build with HOLDFAST_GUARD_STORES: a second mapping of an emulated
  /// region or one in memory, which then is read-only at base(), so that any other store is a
  /// SIGSEGV. Null in other builds, for other media and for readers.
  std::byte* alias() const { return alias_; }
  const RegionFacts& facts() const { return facts_; }
  const std::string& path() const { return path_; }
  bool read_only() const { return read_only_; }
  int fd() const { return fd_; }

  /// Asks the medium to clear what is bad inside `range`; what it holds there is lost. EIO
  /// if it cannot. Nothing to do where the medium has no list.
  Result<void> ClearBad(ByteRange range) const;
  /// Known bad ranges of the medium; empty where the medium has no list.
  Result<std::vector<ByteRange>> BadRanges() const;
  /// Flushes to the point where even a failing power supply cannot lose it; an emulated region is
  /// written back to its disk.
  Result<void> DeepFlush(uint64_t offset, uint64_t length) const;

  /// Maps `range`, a multiple of facts().alignment, of the medium afresh at its place, in one step
  /// as other threads see it: whatever was mapped over it, or injected into it, is gone. What the
  /// file holds is not changed.
  Result<void> Remap(ByteRange range) const;

 private:
  Region() = default;

  Result<void> MapMedium(bool allow_emulated);
  Result<void> MapPlainFile();
  Result<void> MapAt(std::byte* start, ByteRange range, int protection) const;
  void MakePersist();
  Result<void> CheckUnchanged() const;
  void LearnFacts(bool is_device);
  void Unmap();

  struct Source;  // libpmem2 handles
  std::unique_ptr<Source> source_;
  std::byte* base_ = nullptr;
  std::byte* alias_ = nullptr;
  uint64_t size_ = 0;
  int fd_ = -1;
  pid_t owner_ = 0;
  bool read_only_ = false;
  std::string path_;
  RegionFacts facts_;
  std::unique_ptr<Persist> owned_persist_;
  Persist* persist_ = nullptr;
};

/// This boot's id (/proc/sys/kernel/random/boot_id), all zero where there is none.
std::array<uint8_t, 16> CurrentBootId();

}  // namespace holdfast::daxcore
