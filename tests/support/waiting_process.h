// SPDX-License-Identifier: Apache-2.0
// A process that does nothing but live, for tests of what dies with one.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daxcore/process.h"

namespace holdfast::tests {

/// Owns a child process. One thread.
class WaitingProcess {
 public:
  WaitingProcess() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
  }
  ~WaitingProcess() { Kill(); }
  WaitingProcess(const WaitingProcess&) = delete;
  WaitingProcess& operator=(const WaitingProcess&) = delete;

  daxcore::ProcessId id() const { return *daxcore::Identify(pid_); }
  void Kill() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

}  // namespace holdfast::tests
