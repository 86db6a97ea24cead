// SPDX-License-Identifier: Apache-2.0
// Waiting for bad pages.
#include "fsmeta/failure_watch.h"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

namespace holdfast::fsmeta {

using daxcore::FailErrno;
using daxcore::MediaFailure;
using daxcore::Result;

Result<std::unique_ptr<FailureWatch>> FailureWatch::Start(MediaFailure& failure) {
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) return FailErrno(errno, "cannot watch", failure.region().path());
  std::unique_ptr<FailureWatch> watch(new FailureWatch(failure, stop));
  watch->thread_ = std::thread([self = watch.get()] { self->Run(); });
  return watch;
}

FailureWatch::~FailureWatch() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(stop_);
}

void FailureWatch::Run() {
  pthread_setname_np(pthread_self(), "hf-failure");
  for (;;) {
    pollfd watched[] = {{failure_.event_fd(), POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(watched, std::size(watched), -1) < 0) continue;
    if (watched[1].revents != 0) return;
    eventfd_t count;
    eventfd_read(failure_.event_fd(), &count);
    Report();
  }
}

void FailureWatch::Report() {
  for (const daxcore::ByteRange& range : failure_.TakeNewlyMet()) {
    spdlog::error("{}: memory failed at offset {}, {} bytes", failure_.region().path(),
                  range.offset, range.length);
    if (const auto told = failure_.NotifyMet(range); !told) {
      spdlog::error("{}: nobody was told of it: {}", failure_.region().path(), told.error().Text());
    }
  }
}

}  // namespace holdfast::fsmeta
