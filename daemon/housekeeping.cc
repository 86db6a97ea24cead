// SPDX-License-Identifier: Apache-2.0
// signalfd, eventfd and a poll loop.
#include "daemon/housekeeping.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace holdfast::daemon {
namespace {

using daxcore::FailErrno;

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

daxcore::Result<std::unique_ptr<Housekeeping>> Housekeeping::Create() {
  std::unique_ptr<Housekeeping> house(new Housekeeping);
  const sigset_t set = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  house->signals_ = FileDescriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!house->signals_) return FailErrno(errno, "cannot watch", "signals");
  house->end_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!house->end_) return FailErrno(errno, "cannot make", "an event descriptor");
  return house;
}

Housekeeping::~Housekeeping() = default;

void Housekeeping::Every(std::chrono::seconds interval, std::function<void()> fn) {
  tasks_.push_back({interval, Clock::now() + interval, std::move(fn)});
}

void Housekeeping::OnSignal(int signal, std::function<void()> fn) {
  reactions_.push_back({signal, std::move(fn)});
}

int Housekeeping::Run() {
  for (;;) {
    pollfd watched[] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    poll(watched, std::size(watched), MillisecondsToNextTask());
    if (watched[1].revents != 0) return 0;
    if (watched[0].revents != 0) {
      const int signal = HandleSignal();
      if (signal != 0) return signal;
    }
    RunDueTasks();
  }
}

void Housekeeping::End() { eventfd_write(end_.get(), 1); }

int Housekeeping::MillisecondsToNextTask() const {
  if (tasks_.empty()) return -1;
  const auto next = std::ranges::min(tasks_, {}, &Task::next).next;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void Housekeeping::RunDueTasks() {
  for (Task& task : tasks_) {
    if (task.next > Clock::now()) continue;
    task.fn();
    task.next = Clock::now() + task.interval;
  }
}

// The signal, if it is one that ends the daemon.
int Housekeeping::HandleSignal() {
  signalfd_siginfo info{};
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return 0;
  const int signal = static_cast<int>(info.ssi_signo);
  for (const Reaction& reaction : reactions_) {
    if (reaction.signal == signal) reaction.fn();
  }
  return signal == SIGTERM || signal == SIGINT ? signal : 0;
}

}  // namespace holdfast::daemon
