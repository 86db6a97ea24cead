// SPDX-License-Identifier: Apache-2.0
// The loop over /dev/fuse.
#include "daemon/device_loop.h"

#include <fuse_lowlevel.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/cleanup/cleanup.h"

namespace holdfast::daemon {
namespace {

// Gets a thread out of read(2): its handler does nothing, but the read ends with EINTR.
int WakeUpSignal() { return SIGRTMIN; }

void InstallWakeUpHandler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigaction(WakeUpSignal(), &action, nullptr);
}

}  // namespace

DeviceLoop::DeviceLoop(fuse_session* session, size_t max_threads)
    : session_(session), max_threads_(max_threads) {}

void DeviceLoop::Start(std::function<void()> ended) {
  InstallWakeUpHandler();
  ended_ = std::move(ended);
  AddThread();
}

void DeviceLoop::AddThread() {
  const absl::MutexLock hold(&mutex_);
  if (threads_.size() >= max_threads_) return;
  running_.fetch_add(1);
  idle_.fetch_add(1);
  threads_.emplace_back([this] { Run(); });
  if (threads_.size() == max_threads_) full_.store(true, std::memory_order_relaxed);
}

void DeviceLoop::Run() {
  pthread_setname_np(pthread_self(), "hf-fuse");
  fuse_buf buffer{};
  const absl::Cleanup free_buffer = [&buffer] { free(buffer.mem); };
  while (fuse_session_exited(session_) == 0) {
    const int received = fuse_session_receive_buf(session_, &buffer);
    if (received == -EINTR || received == -EAGAIN) continue;
    if (received <= 0) break;
    if (idle_.fetch_sub(1, std::memory_order_relaxed) == 1 &&
        !full_.load(std::memory_order_relaxed)) {
      AddThread();
    }
    fuse_session_process_buf(session_, &buffer);
    idle_.fetch_add(1, std::memory_order_relaxed);
  }
  End();
  running_.fetch_sub(1);
}

void DeviceLoop::End() {
  fuse_session_exit(session_);
  if (!end_told_.exchange(true) && ended_) ended_();
}

void DeviceLoop::Stop() {
  fuse_session_exit(session_);
  // A thread may be just before its read when the signal comes: signal until all have left.
  while (running_.load() != 0) {
    {
      const absl::MutexLock hold(&mutex_);
      for (std::thread& thread : threads_) pthread_kill(thread.native_handle(), WakeUpSignal());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::vector<std::thread> threads;
  {
    const absl::MutexLock hold(&mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace holdfast::daemon
