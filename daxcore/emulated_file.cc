// SPDX-License-Identifier: Apache-2.0
// Allocation of emulated regions.
#include "daxcore/emulated_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daxcore/owner_lock.h"
#include "daxcore/types.h"

namespace holdfast::daxcore {
namespace {

constexpr mode_t kOwnerOnly = 0600;
constexpr uint64_t kStatBlock = 512;

// A signal interrupts a long allocation on tmpfs, which then starts over.
int AllocateAll(int fd, uint64_t size) {
  int code;
  do {
    code = posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (code == EINTR);
  return code;
}

Result<void> AllocateNew(int fd, const std::string& path, uint64_t size) {
  const int code = AllocateAll(fd, size);
  if (code == 0) return {};
  unlink(path.c_str());
  return FailErrno(code, absl::StrCat("cannot allocate ", size, " bytes for region"), path);
}

// The space is claimed before the old bytes go, so that mkfs --force on a full filesystem leaves
// the old region as it was.
Result<void> ReplaceInPlace(int fd, const std::string& path, uint64_t size) {
  struct stat old;
  if (fstat(fd, &old) != 0) return FailErrno(errno, "cannot examine", path);
  if (!S_ISREG(old.st_mode)) {
    return Fail(EINVAL, absl::StrCat(path, " is not a plain file: it cannot emulate a region"));
  }
  HOLDFAST_TRY(LockFile(fd, path, /*exclusive=*/true, std::chrono::milliseconds(0)));
  if (const int code = AllocateAll(fd, size); code != 0) {
    if (ftruncate(fd, old.st_size) != 0) return FailErrno(errno, "cannot restore", path);
    return FailErrno(code, absl::StrCat("cannot allocate ", size, " bytes for region"), path);
  }
  if (ftruncate(fd, 0) != 0) return FailErrno(errno, "cannot empty", path);
  return AllocateNew(fd, path, size);
}

}  // namespace

Result<void> CreateEmulatedFile(const std::string& path, uint64_t size, bool force) {
  if (size < kBlockSize || size % kBlockSize != 0) {
    return Fail(EINVAL, absl::StrCat("cannot create region ", path, ": its size, ", size,
                                     " bytes, is no multiple of ", kBlockSize));
  }
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly);
  const bool existed = fd < 0 && errno == EEXIST;
  if (existed && force) fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return FailErrno(errno, "cannot create region", path);
  const absl::Cleanup closer = [fd] { close(fd); };
  return existed ? ReplaceInPlace(fd, path, size) : AllocateNew(fd, path, size);
}

Result<void> FillHoles(int fd, const std::string& path, uint64_t size) {
  struct stat file;
  if (fstat(fd, &file) != 0) return FailErrno(errno, "cannot examine", path);
  if (static_cast<uint64_t>(file.st_blocks) * kStatBlock >= size) return {};
  if (const int code = AllocateAll(fd, size); code != 0) {
    return FailErrno(code, "cannot allocate the holes of region", path);
  }
  return {};
}

}  // namespace holdfast::daxcore
