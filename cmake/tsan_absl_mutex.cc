// SPDX-License-Identifier: Apache-2.0
// For TSan builds only: the distribution's abseil is compiled without TSan, which therefore cannot
// see its locks and would report every guarded access as a race. These definitions take the place
// of the shared library's, tell TSan, and call on.

#include <absl/synchronization/mutex.h>
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "absl/base/options.h"
#include "absl/time/clock.h"

#define STRINGIFY_VALUE(x) #x
#define STRINGIFY(x) STRINGIFY_VALUE(x)

namespace {

constexpr std::string_view kInlineNamespace = STRINGIFY(ABSL_OPTION_INLINE_NAMESPACE_NAME);

// The library's own function, by what follows the namespaces in its mangled name.
template <typename Function>
Function* Original(const char* mangled) {
  const std::string name = "_ZN4absl" + std::to_string(kInlineNamespace.size()) +
                           std::string(kInlineNamespace) + mangled;
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name.c_str()));
}

class Unlocked {  // the mutex is given up for as long as this lives
 public:
  explicit Unlocked(absl::Mutex* mutex) : mutex_(mutex) {
    __tsan_mutex_pre_unlock(mutex_, 0);
    __tsan_mutex_post_unlock(mutex_, 0);
  }
  ~Unlocked() {
    __tsan_mutex_pre_lock(mutex_, 0);
    __tsan_mutex_post_lock(mutex_, 0, 0);
  }

 private:
  absl::Mutex* const mutex_;
};

void LockAs(absl::Mutex* mutex, unsigned flags, void (*lock)(absl::Mutex*)) {
  __tsan_mutex_pre_lock(mutex, flags);
  lock(mutex);
  __tsan_mutex_post_lock(mutex, flags, 0);
}

bool TryLockAs(absl::Mutex* mutex, unsigned flags, bool (*lock)(absl::Mutex*)) {
  flags |= __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(mutex, flags);
  const bool locked = lock(mutex);
  __tsan_mutex_post_lock(mutex, locked ? flags : flags | __tsan_mutex_try_lock_failed, 0);
  return locked;
}

void UnlockAs(absl::Mutex* mutex, unsigned flags, void (*unlock)(absl::Mutex*)) {
  __tsan_mutex_pre_unlock(mutex, flags);
  unlock(mutex);
  __tsan_mutex_post_unlock(mutex, flags);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static auto* const original = Original<void(Mutex*)>("5Mutex4LockEv");
  LockAs(this, 0, original);
}

void Mutex::Unlock() {
  static auto* const original = Original<void(Mutex*)>("5Mutex6UnlockEv");
  UnlockAs(this, 0, original);
}

bool Mutex::TryLock() {
  static auto* const original = Original<bool(Mutex*)>("5Mutex7TryLockEv");
  return TryLockAs(this, 0, original);
}

void Mutex::ReaderLock() {
  static auto* const original = Original<void(Mutex*)>("5Mutex10ReaderLockEv");
  LockAs(this, __tsan_mutex_read_lock, original);
}

void Mutex::ReaderUnlock() {
  static auto* const original = Original<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  UnlockAs(this, __tsan_mutex_read_lock, original);
}

bool Mutex::ReaderTryLock() {
  static auto* const original = Original<bool(Mutex*)>("5Mutex13ReaderTryLockEv");
  return TryLockAs(this, __tsan_mutex_read_lock, original);
}

// The library may evaluate a condition in any thread that unlocks: TSan could not follow. Here the
// waiter polls; only the exclusive forms exist, the project uses no others.
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  while (!condition.Eval()) {
    if (absl::Now() >= deadline) return false;
    Unlock();
    usleep(100);
    Lock();
  }
  return true;
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return AwaitWithDeadline(condition, absl::Now() + timeout);
}

void Mutex::Await(const Condition& condition) {
  AwaitWithDeadline(condition, absl::InfiniteFuture());
}

void Mutex::LockWhen(const Condition& condition) {
  Lock();
  Await(condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  Lock();
  return AwaitWithTimeout(condition, timeout);
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const original = Original<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  const Unlocked unlocked(mutex);
  original(this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const original = Original<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  const Unlocked unlocked(mutex);
  return original(this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const original =
      Original<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  const Unlocked unlocked(mutex);
  return original(this, mutex, deadline);
}

ABSL_NAMESPACE_END
}  // namespace absl
