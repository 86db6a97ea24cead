// SPDX-License-Identifier: Apache-2.0
// The SIGBUS handler. Everything it does is async-signal-safe.
#include "daxcore/sigbus.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <mutex>

namespace holdfast::daxcore {

namespace internal {
constinit thread_local sigjmp_buf* guard = nullptr;
}

namespace {

constexpr uint64_t kPage = 4096;

std::array<std::atomic<WatchedMemory*>, 64> watched;
struct sigaction previous;

// The memory that `address` is in, by either mapping, and where in it.
WatchedMemory* Find(const void* address, uint64_t* offset) {
  for (const auto& slot : watched) {
    WatchedMemory* const memory = slot.load(std::memory_order_acquire);
    if (memory == nullptr) continue;
    for (const std::byte* const start : {memory->base, memory->alias}) {
      *offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(start);
      if (start != nullptr && *offset < memory->size) return memory;
    }
  }
  return nullptr;
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // The access is made again after we return, and this time it ends the process as it should.
    struct sigaction die{};
    die.sa_handler = SIG_DFL;
    sigaction(SIGBUS, &die, nullptr);
  }
}

// Both mappings show the same zeroes: what the verbs store through the alias is read at the base.
bool CoverBoth(const WatchedMemory& memory, uint64_t start) {
  std::byte* const base = memory.base + start;
  std::byte* const alias = memory.alias + start;
  if (mmap(alias, memory.granule, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
           -1, 0) == MAP_FAILED) {
    return false;
  }
  // From an old size of 0 mremap makes a second mapping of shared memory and leaves the first.
  return mremap(alias, 0, memory.granule, MREMAP_MAYMOVE | MREMAP_FIXED, base) != MAP_FAILED &&
         mprotect(base, memory.granule, PROT_READ) == 0;
}

// False if not even that can be done.
bool CoverWithZeroes(const WatchedMemory& memory, uint64_t offset) {
  const uint64_t start = offset - offset % memory.granule;
  if (memory.alias != nullptr) return CoverBoth(memory, start);
  const int protection = PROT_READ | (memory.writable ? PROT_WRITE : 0);
  return mmap(memory.base + start, memory.granule, protection,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void OnSigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  uint64_t offset = 0;
  WatchedMemory* const memory = Find(info->si_addr, &offset);
  if (memory == nullptr) {
    PassOn(signal, info, context);
    errno = saved_errno;
    return;
  }
  // "Action optional" tells of a page that this thread did not touch just now.
  const bool touched = info->si_code != BUS_MCEERR_AO;
  const bool covers = touched && internal::guard == nullptr;
  // Before the page is known and before it is covered: see MediaFailure::LearnMet.
  if (covers) {
    if (memory->poisoned_loads.load(std::memory_order_relaxed) == 0) {
      memory->poisoned_at.store(offset, std::memory_order_relaxed);
    }
    memory->poisoned_loads.fetch_add(1, std::memory_order_release);
  }
  memory->met.Add(offset / kPage, memory->event_fd);
  if (touched && !covers) siglongjmp(*internal::guard, 1);
  if (covers && !CoverWithZeroes(*memory, offset)) PassOn(signal, info, context);
  errno = saved_errno;
}

void InstallHandler() {
  struct sigaction action{};
  action.sa_sigaction = OnSigbus;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}

}  // namespace

void MetPages::Add(uint64_t number, int event_fd) {
  const uint64_t value = number + 1;
  // First: whoever then finds it in its slot also finds that there is something to take.
  count_.fetch_add(1, std::memory_order_release);
  uint64_t seen = 0;  // stays so if it gets a slot
  for (auto& slot : slots_) {
    seen = 0;
    if (slot.compare_exchange_strong(seen, value, std::memory_order_acq_rel)) break;
    if (seen == value) break;
  }
  if (seen != 0) count_.fetch_sub(1, std::memory_order_release);
  if (seen == value) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(event_fd, &one, sizeof(one));
}

std::vector<uint64_t> MetPages::Take() {
  std::vector<uint64_t> pages;
  for (auto& slot : slots_) {
    const uint64_t value = slot.exchange(0, std::memory_order_acq_rel);
    if (value == 0) continue;
    count_.fetch_sub(1, std::memory_order_release);
    pages.push_back(value - 1);
  }
  return pages;
}

Result<void> WatchMemory(WatchedMemory* memory) {
  static std::once_flag installed;
  std::call_once(installed, InstallHandler);
  for (auto& slot : watched) {
    WatchedMemory* none = nullptr;
    if (slot.compare_exchange_strong(none, memory, std::memory_order_acq_rel)) return {};
  }
  return Fail(ENFILE, "too many regions are open in this process");
}

void UnwatchMemory(WatchedMemory* memory) {
  for (auto& slot : watched) {
    WatchedMemory* expected = memory;
    slot.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
  }
}

}  // namespace holdfast::daxcore
