// SPDX-License-Identifier: Apache-2.0
// Opening, mapping and releasing a region through libpmem2.
#include "daxcore/region.h"

#include <fcntl.h>
#include <libpmem2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "daxcore/emulated_file.h"
#include "daxcore/guarded_persist.h"
#include "daxcore/owner_lock.h"
#include "daxcore/pmem2_persist.h"
#include "daxcore/process.h"

namespace holdfast::daxcore {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;

#ifdef HOLDFAST_GUARD_STORES
constexpr bool kGuardStores = true;
#else
constexpr bool kGuardStores = false;
#endif

// libpmem2 returns negative errnos, and beyond them codes of its own, which are about the argument.
std::unexpected<Error> FailPmem2(int code, const char* what, const std::string& path) {
  return Fail(code > PMEM2_E_UNKNOWN ? -code : EINVAL,
              absl::StrCat(what, " ", path, ": ", pmem2_errormsg()));
}

std::unexpected<Error> FailWrongKind(const std::string& path) {
  return Fail(EINVAL,
              absl::StrCat(path, " cannot be a region: it is neither a devdax device nor a ",
                           "plain file"));
}

const char* GranularityName(pmem2_granularity g) {
  switch (g) {
    case PMEM2_GRANULARITY_BYTE:
      return "byte";
    case PMEM2_GRANULARITY_CACHE_LINE:
      return "cache line";
    case PMEM2_GRANULARITY_PAGE:
      return "page";
  }
  return "unknown";
}

// Finds address space at a huge page boundary, so that the kernel can map huge pages.
std::byte* ReserveAligned(uint64_t size) {
  void* space = mmap(nullptr, size + kHugePage, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(space);
  const uintptr_t aligned = AlignUp(start, kHugePage);
  if (aligned > start) munmap(space, aligned - start);
  const uintptr_t end = AlignUp(aligned + size, kBlockSize);
  if (start + size + kHugePage > end) {
    munmap(reinterpret_cast<void*>(end), start + size + kHugePage - end);
  }
  return reinterpret_cast<std::byte*>(aligned);
}

pmem2_map* MakeCacheLineMap() {
  const int fd = memfd_create("holdfast-verbs", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  const absl::Cleanup closer = [fd] { close(fd); };
  pmem2_source* source = nullptr;
  if (ftruncate(fd, kBlockSize) != 0 || pmem2_source_from_fd(&source, fd) != 0) return nullptr;
  const absl::Cleanup deleter = [&source] { pmem2_source_delete(&source); };
  void* const page = mmap(nullptr, kBlockSize, PROT_READ, MAP_SHARED, fd, 0);
  pmem2_map* map = nullptr;
  if (page == MAP_FAILED ||
      pmem2_map_from_existing(&map, source, page, kBlockSize, PMEM2_GRANULARITY_CACHE_LINE) != 0) {
    return nullptr;
  }
  return map;
}

// The one mapping whose functions serve everything that is mapped here and not by libpmem2 (1.12),
// which never gives back the thread-specific key that each of its mappings takes: a process has
// 1,024 of them. Null if it could not be made.
pmem2_map* CacheLineMap() {
  static pmem2_map* const map = MakeCacheLineMap();
  return map;
}

// Opens and locks `path` so that the locked file is the one the path still names: mkfs may have
// put another there while we waited for the lock.
Result<int> OpenLocked(const std::string& path, const RegionOptions& options, struct stat* file) {
  for (;;) {
    const int fd = open(path.c_str(), (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0) return FailErrno(errno, "cannot open region", path);
    absl::Cleanup closer = [fd] { close(fd); };
    if (fstat(fd, file) != 0) return FailErrno(errno, "cannot examine region", path);
    if (S_ISBLK(file->st_mode)) {
      return Fail(EINVAL,
                  absl::StrCat(path, " is a block device, which cannot be a region: make its ",
                               "namespace devdax (ndctl create-namespace --mode=devdax), or ",
                               "mount a file system of it with -o dax and use a file there"));
    }
    if (!S_ISREG(file->st_mode) && !S_ISCHR(file->st_mode)) {
      return FailWrongKind(path);
    }
    if (!(options.read_only && options.ignore_owner)) {
      HOLDFAST_TRY(LockFile(fd, path, !options.read_only, options.owner_wait));
    }
    struct stat now;
    if (stat(path.c_str(), &now) != 0) return FailErrno(errno, "cannot open region", path);
    if (now.st_dev != file->st_dev || now.st_ino != file->st_ino) continue;
    *file = now;
    std::move(closer).Cancel();
    return fd;
  }
}

}  // namespace

struct Region::Source {
  pmem2_source* source = nullptr;
  pmem2_map* map = nullptr;
  bool own_mapping = false;  // mapped by us, not by libpmem2

  ~Source() {
    if (map != nullptr) pmem2_map_delete(&map);
    if (source != nullptr) pmem2_source_delete(&source);
  }
};

Result<std::unique_ptr<Region>> Region::Open(const std::string& path,
                                             const RegionOptions& options) {
  struct stat file;
  HOLDFAST_ASSIGN(const int fd, OpenLocked(path, options, &file));
  std::unique_ptr<Region> region(new Region());
  region->fd_ = fd;
  region->path_ = path;
  region->read_only_ = options.read_only;
  region->owner_ = getpid();
  region->source_ = std::make_unique<Source>();
  size_t size = 0;
  int code = pmem2_source_from_fd(&region->source_->source, fd);
  if (code == 0) code = pmem2_source_size(region->source_->source, &size);
  if (code != 0 && S_ISCHR(file.st_mode)) return FailWrongKind(path);
  if (code != 0) return FailPmem2(code, "cannot use region", path);
  region->size_ = AlignDown(size, kBlockSize);
  if (region->size_ == 0) {
    return Fail(EINVAL, absl::StrCat("region ", path, " is too small: ", size, " bytes"));
  }
  HOLDFAST_TRY(region->MapMedium(options.allow_emulated));
  region->LearnFacts(S_ISCHR(file.st_mode));
  return region;
}

Result<void> Region::MapMedium(bool allow_emulated) {
  pmem2_config* config = nullptr;
  int code = pmem2_config_new(&config);
  if (code != 0) return FailPmem2(code, "cannot map region", path_);
  const absl::Cleanup deleter = [&config] { pmem2_config_delete(&config); };
  pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_PAGE);
  pmem2_config_set_protection(config, PMEM2_PROT_READ | (read_only_ ? 0U : PMEM2_PROT_WRITE));
  pmem2_config_set_length(config, size_);
  code = pmem2_map_new(&source_->map, config, source_->source);
  if (code != 0) return FailPmem2(code, "cannot map region", path_);
  if (pmem2_map_get_store_granularity(source_->map) == PMEM2_GRANULARITY_PAGE) {
    pmem2_map_delete(&source_->map);
    if (!allow_emulated) {
      return Fail(EOPNOTSUPP,
                  absl::StrCat("region ", path_, " is not persistent memory: stores to it are not ",
                               "durable; format it with --emulate to use it all the same"));
    }
    if (!read_only_) HOLDFAST_TRY(FillHoles(fd_, path_, size_));
    HOLDFAST_TRY(MapPlainFile());
  } else {
    base_ = static_cast<std::byte*>(pmem2_map_get_address(source_->map));
  }
  MakePersist();
  return {};
}

// With page granularity libpmem2 would msync at every flush. An emulated region counts its stores
// as persistent, so the mapping is made here and gets the verbs of cache-line granularity.
Result<void> Region::MapPlainFile() {
  const bool guarded = kGuardStores && !read_only_;
  source_->own_mapping = true;
  base_ = ReserveAligned(size_);
  if (guarded) alias_ = ReserveAligned(size_);
  if (base_ == nullptr || (guarded && alias_ == nullptr)) {
    return FailErrno(errno, "cannot map region", path_);
  }
  if (CacheLineMap() == nullptr) {
    return Fail(ENOMEM, absl::StrCat("cannot map region ", path_, ": ", pmem2_errormsg()));
  }
  return Remap({0, size_});
}

void Region::MakePersist() {
  pmem2_map* const map = source_->own_mapping ? CacheLineMap() : source_->map;
  if (alias_ != nullptr) {
    owned_persist_ = std::make_unique<GuardedPersist>(map, base_, alias_);
  } else {
    owned_persist_ = std::make_unique<Pmem2Persist>(map);
  }
  persist_ = owned_persist_.get();
}

void Region::LearnFacts(bool is_device) {
  facts_.kind = is_device              ? RegionKind::kDevdax
                : source_->own_mapping ? RegionKind::kEmulated
                                       : RegionKind::kFsdax;
  facts_.granularity =
      GranularityName(source_->own_mapping ? PMEM2_GRANULARITY_CACHE_LINE
                                           : pmem2_map_get_store_granularity(source_->map));
  size_t alignment = 0;
  if (pmem2_source_alignment(source_->source, &alignment) == 0) facts_.alignment = alignment;
  facts_.unsafe_shutdowns_known =
      pmem2_source_device_usc(source_->source, &facts_.unsafe_shutdowns) == 0;
  if (!facts_.unsafe_shutdowns_known) facts_.unsafe_shutdowns = 0;
}

Result<void> Region::CreateEmulatedFile(const std::string& path, uint64_t size, bool force) {
  return daxcore::CreateEmulatedFile(path, size, force);
}

std::unique_ptr<Region> Region::InMemory(uint64_t size, Persist* observer) {
  assert(size > 0 && size % kBlockSize == 0);
  std::unique_ptr<Region> region(new Region());
  region->path_ = "(memory)";
  region->size_ = size;
  region->owner_ = getpid();
  region->source_ = std::make_unique<Source>();
  region->fd_ = memfd_create("holdfast-region", MFD_CLOEXEC);
  if (region->fd_ < 0 || ftruncate(region->fd_, static_cast<off_t>(size)) != 0 ||
      pmem2_source_from_fd(&region->source_->source, region->fd_) != 0 || !region->MapPlainFile()) {
    std::perror("cannot make a region in memory");
    std::abort();
  }
  region->MakePersist();
  if (observer != nullptr) region->persist_ = observer;
  region->LearnFacts(/*is_device=*/false);
  region->facts_.kind = RegionKind::kMemory;
  return region;
}

Region::~Region() {
  Unmap();
  if (fd_ >= 0) close(fd_);
}

void Region::Unmap() {
  const bool own_mapping = source_ != nullptr && source_->own_mapping;
  source_.reset();
  if (own_mapping && base_ != nullptr) munmap(base_, size_);
  if (alias_ != nullptr) munmap(alias_, size_);
  base_ = nullptr;
  alias_ = nullptr;
}

Result<void> Region::Release() {
  if (getpid() != owner_) {
    return Fail(EPERM, absl::StrCat("region ", path_, " belongs to pid ", owner_, " (",
                                    CommandOf(owner_), "); pid ", getpid(), " cannot release it"));
  }
  auto unchanged = CheckUnchanged();
  Unmap();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  return unchanged;
}

Result<void> Region::CheckUnchanged() const {
  if (facts_.kind == RegionKind::kMemory || fd_ < 0) return {};
  struct stat ours, named;
  if (fstat(fd_, &ours) != 0) return FailErrno(errno, "cannot examine region", path_);
  if (S_ISREG(ours.st_mode) && static_cast<uint64_t>(ours.st_size) < size_) {
    return Fail(EIO, absl::StrCat("region ", path_, " shrank from ", size_, " to ", ours.st_size,
                                  " bytes while it was in use; check it with fsck.holdfast"));
  }
  if (stat(path_.c_str(), &named) != 0 || named.st_dev != ours.st_dev ||
      named.st_ino != ours.st_ino) {
    return Fail(EIO, absl::StrCat("region ", path_, " was removed or exchanged while in use"));
  }
  return {};
}

Result<void> Region::Remap(ByteRange range) const {
  // The alias first: it is stored to as soon as the page is good at its place.
  if (alias_ != nullptr) HOLDFAST_TRY(MapAt(alias_, range, PROT_READ | PROT_WRITE));
  const bool writable = !read_only_ && alias_ == nullptr;
  return MapAt(base_, range, PROT_READ | (writable ? PROT_WRITE : 0));
}

Result<void> Region::MapAt(std::byte* start, ByteRange range, int protection) const {
  const int sharing =
      facts_.kind == RegionKind::kFsdax ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
  if (mmap(start + range.offset, range.length, protection, sharing | MAP_FIXED, fd_,
           static_cast<off_t>(range.offset)) == MAP_FAILED) {
    return FailErrno(errno, "cannot map region", path_);
  }
  return {};
}

// Any refusal means "no list": libpmem2 fails in many ways on media that have none.
Result<std::vector<ByteRange>> Region::BadRanges() const {
  std::vector<ByteRange> ranges;
  pmem2_badblock_context* context = nullptr;
  if (pmem2_badblock_context_new(&context, source_->source) != 0) return ranges;
  const absl::Cleanup deleter = [&context] { pmem2_badblock_context_delete(&context); };
  pmem2_badblock bad;
  while (pmem2_badblock_next(context, &bad) == 0) ranges.push_back({bad.offset, bad.length});
  return ranges;
}

Result<void> Region::ClearBad(ByteRange range) const {
  pmem2_badblock_context* context = nullptr;
  if (pmem2_badblock_context_new(&context, source_->source) != 0) return {};
  const absl::Cleanup deleter = [&context] { pmem2_badblock_context_delete(&context); };
  pmem2_badblock bad;
  while (pmem2_badblock_next(context, &bad) == 0) {
    // Clearing makes bytes zeroes: only those that are about to be written.
    const uint64_t start = std::max<uint64_t>(bad.offset, range.offset);
    const uint64_t end = std::min<uint64_t>(bad.offset + bad.length, range.offset + range.length);
    if (start >= end) continue;
    bad.offset = start;
    bad.length = end - start;
    if (const int code = pmem2_badblock_clear(context, &bad); code != 0) {
      return Fail(EIO, absl::StrCat("cannot clear the bad block at ", bad.offset, " of region ",
                                    path_, ": ", pmem2_errormsg()));
    }
  }
  return {};
}

Result<void> Region::DeepFlush(uint64_t offset, uint64_t length) const {
  if (offset > size_ || length > size_ - offset) return Fail(ERANGE);
  if (source_->own_mapping) {
    const uint64_t start = AlignDown(offset, kBlockSize);
    if (msync(base_ + start, offset + length - start, MS_SYNC) != 0) {
      return FailErrno(errno, "cannot write back region", path_);
    }
    return {};
  }
  // A medium without the interface has nothing deeper to flush to than the fence.
  if (pmem2_deep_flush(source_->map, base_ + offset, length) != 0) persist_->Drain();
  return {};
}

std::array<uint8_t, 16> CurrentBootId() {
  std::array<uint8_t, 16> id{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  const std::string bytes = absl::HexStringToBytes(absl::StrReplaceAll(text, {{"-", ""}}));
  if (bytes.size() == id.size()) std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

}  // namespace holdfast::daxcore
