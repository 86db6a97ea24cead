// SPDX-License-Identifier: Apache-2.0
// UFFDIO_POISON, and what does as well where there is none.
#include "daxcore/poison.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"

namespace holdfast::daxcore {
namespace {

// From linux/userfaultfd.h of 6.6; older headers are still what distributions build with.
struct UffdPoison {
  uffdio_range range;
  __u64 mode;
  __s64 updated;
};
constexpr __u64 kFeaturePoison = __u64{1} << 14;
constexpr __u64 kFeatureWpShmem = __u64{1} << 12;
constexpr unsigned long kIoctlPoison = _IOWR(UFFDIO, 0x08, UffdPoison);
constexpr int kUserModeOnly = 1;

// Poison goes where no page is mapped; somebody may touch the page again in between.
bool PoisonRegistered(int uffd, std::byte* start, size_t length) {
  size_t done = 0;
  while (done < length) {
    if (madvise(start + done, length - done, MADV_DONTNEED) != 0) return false;
    UffdPoison poison{};
    poison.range.start = reinterpret_cast<uintptr_t>(start + done);
    poison.range.len = length - done;
    if (ioctl(uffd, kIoctlPoison, &poison) == 0) return true;
    if (errno != EEXIST && errno != EAGAIN) return false;
    if (poison.updated > 0) done += static_cast<size_t>(poison.updated);
  }
  return true;
}

}  // namespace

bool internal::PoisonByUserfault(std::byte* start, size_t length) {
  const int uffd =
      static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | kUserModeOnly));
  if (uffd < 0) return false;
  const absl::Cleanup closer = [uffd] { close(uffd); };
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = kFeaturePoison | kFeatureWpShmem;
  if (ioctl(uffd, UFFDIO_API, &api) != 0) return false;
  // Registered for write protection, of which none is made: it lets nobody wait for us.
  uffdio_register registration{};
  registration.range = {reinterpret_cast<uintptr_t>(start), length};
  registration.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(uffd, UFFDIO_REGISTER, &registration) != 0) return false;
  const bool done = PoisonRegistered(uffd, start, length);
  ioctl(uffd, UFFDIO_UNREGISTER, &registration.range);
  return done;
}

Result<void> internal::PoisonByEmptyFile(std::byte* start, size_t length) {
  const int empty = memfd_create("holdfast-poison", MFD_CLOEXEC);
  if (empty < 0) return FailErrno(errno, "cannot inject", "a media failure");
  const absl::Cleanup closer = [empty] { close(empty); };
  if (mmap(start, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, empty, 0) == MAP_FAILED) {
    return FailErrno(errno, "cannot inject", "a media failure");
  }
  return {};
}

Result<void> PoisonMemory(std::byte* start, size_t length) {
  if (internal::PoisonByUserfault(start, length)) return {};
  return internal::PoisonByEmptyFile(start, length);
}

}  // namespace holdfast::daxcore
