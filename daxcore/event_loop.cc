// SPDX-License-Identifier: Apache-2.0
// epoll over pidfds, with deadlines.
#include "daxcore/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace holdfast::daxcore {
namespace {

constexpr Timer::Id kWakeEvent = 0;  // no watch has this id
constexpr std::chrono::seconds kRetry{1};

bool Add(int epoll, int fd, Timer::Id id) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::Start() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  loop->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  loop->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->epoll_ < 0 || loop->wake_ < 0 || !Add(loop->epoll_, loop->wake_, kWakeEvent)) {
    return FailErrno(errno, "cannot start", "the event loop");
  }
  loop->thread_ = std::thread([raw = loop.get()] { raw->Run(); });
  return loop;
}

EventLoop::~EventLoop() {
  if (thread_.joinable()) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    Wake();
    thread_.join();
  }
  for (const auto& [process, exit] : exits_) close(exit.pidfd);
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  // Full means it is awake already.
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof(one));
}

Timer::Id EventLoop::At(TimePoint when, std::move_only_function<void()> fn) {
  const Id id = NewId();
  WatchDeadline(id, when, std::move(fn));
  return id;
}

Timer::Id EventLoop::NewId() {
  absl::MutexLock lock(&mutex_);
  return next_id_++;
}

void EventLoop::WatchDeadline(Id id, TimePoint when, std::move_only_function<void()> fn) {
  bool earliest;
  {
    absl::MutexLock lock(&mutex_);
    watches_.emplace(id, Watch{std::nullopt, when, std::move(fn)});
    const auto place = deadlines_.emplace(when, id);
    earliest = place == deadlines_.begin();
  }
  if (earliest) Wake();
}

Timer::Id EventLoop::AtExit(const ProcessId& process, std::move_only_function<void()> fn) {
  const Id id = NewId();
  WatchExit(id, process, std::move(fn));
  return id;
}

// True, with `fn` taken over, if the process is watched already.
bool EventLoop::JoinWatch(Id id, const ProcessId& process, std::move_only_function<void()>& fn) {
  const auto exit = exits_.find(process);
  if (exit == exits_.end()) return false;
  exit->second.watches.insert(id);
  watches_.emplace(id, Watch{process, {}, std::move(fn)});
  return true;
}

void EventLoop::WatchExit(Id id, const ProcessId& process, std::move_only_function<void()> fn) {
  {
    absl::MutexLock lock(&mutex_);
    if (JoinWatch(id, process, fn)) return;
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  // Asked after the pidfd is open, so that it is sure to be the same process, if it is one at all.
  if (!IsAlive(process)) {
    if (pidfd >= 0) close(pidfd);
    return WatchDeadline(id, Now(), std::move(fn));
  }
  absl::MutexLock lock(&mutex_);
  if (JoinWatch(id, process, fn)) {  // somebody else's came first
    if (pidfd >= 0) close(pidfd);
    return;
  }
  const Id key = next_id_++;
  if (pidfd >= 0 && Add(epoll_, pidfd, key)) {
    exits_.emplace(process, Exit{pidfd, key, {}});
    processes_.emplace(key, process);
    JoinWatch(id, process, fn);
    return;
  }
  // Out of descriptors: a living process must not be taken for dead.
  if (pidfd >= 0) close(pidfd);
  const TimePoint again = Now() + kRetry;
  watches_.emplace(id, Watch{std::nullopt, again, [this, id, process, f = std::move(fn)]() mutable {
                               WatchExit(id, process, std::move(f));
                             }});
  deadlines_.emplace(again, id);
  Wake();
}

void EventLoop::Cancel(Id id) {
  std::move_only_function<void()> fn;  // outlives the lock: what it holds may cancel others
  absl::MutexLock lock(&mutex_);
  fn = Take(id);
}

// The callback of a watch, which is forgotten; null if there is none.
std::move_only_function<void()> EventLoop::Take(Id id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return nullptr;
  Watch watch = std::move(it->second);
  watches_.erase(it);
  if (watch.process) {
    const auto exit = exits_.find(*watch.process);
    exit->second.watches.erase(id);
    if (exit->second.watches.empty()) {
      close(exit->second.pidfd);  // leaves the epoll set by itself
      processes_.erase(exit->second.key);
      exits_.erase(exit);
    }
  } else {
    const auto [first, last] = deadlines_.equal_range(watch.when);
    deadlines_.erase(std::find_if(first, last, [&](const auto& d) { return d.second == id; }));
  }
  return std::move(watch.fn);
}

void EventLoop::Run() {
  for (;;) {
    epoll_event event{};
    const int n = epoll_wait(epoll_, &event, 1, NextTimeout());
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    if (n == 1 && event.data.u64 == kWakeEvent) {
      uint64_t count;
      [[maybe_unused]] const ssize_t r = read(wake_, &count, sizeof(count));
    } else if (n == 1) {
      RunExit(event.data.u64);
    }
    RunDue();
  }
}

// Milliseconds until the earliest deadline, rounded up; -1 without one.
int EventLoop::NextTimeout() {
  absl::MutexLock lock(&mutex_);
  if (deadlines_.empty()) return -1;
  const auto left = deadlines_.begin()->first - Now();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, INT_MAX));
}

void EventLoop::RunDue() {
  for (;;) {
    std::move_only_function<void()> fn;
    {
      absl::MutexLock lock(&mutex_);
      if (deadlines_.empty() || deadlines_.begin()->first > Now()) return;
      fn = Take(deadlines_.begin()->second);
    }
    fn();
  }
}

// One by one, since a callback may cancel others.
void EventLoop::RunExit(Id key) {
  for (;;) {
    std::move_only_function<void()> fn;
    {
      absl::MutexLock lock(&mutex_);
      const auto process = processes_.find(key);
      if (process == processes_.end()) return;
      fn = Take(*exits_.find(process->second)->second.watches.begin());
    }
    fn();
  }
}

}  // namespace holdfast::daxcore
