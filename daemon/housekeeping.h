// SPDX-License-Identifier: Apache-2.0
// The daemon's main thread: signals, the end of the mount, and what is done from time to time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/file_descriptor.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// Owns the signals of the process from Create on. Run belongs to one thread, `End` may be called
/// from any.
class Housekeeping {
 public:
  /// Blocks the signals it listens to, for this thread and all that it starts.
  static daxcore::Result<std::unique_ptr<Housekeeping>> Create();
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  /// `fn` runs about every `interval`. Before Run.
  void Every(std::chrono::seconds interval, std::function<void()> fn);
  /// `fn` runs whenever `signal` comes (SIGHUP, SIGUSR1). Before Run.
  void OnSignal(int signal, std::function<void()> fn);

  /// Returns the signal that ended it (SIGTERM, SIGINT), or 0 after End.
  int Run();
  void End();

 private:
  using Clock = std::chrono::steady_clock;
  struct Task {
    std::chrono::seconds interval;
    Clock::time_point next;
    std::function<void()> fn;
  };
  struct Reaction {
    int signal;
    std::function<void()> fn;
  };
  Housekeeping() = default;
  int MillisecondsToNextTask() const;
  void RunDueTasks();
  int HandleSignal();

  FileDescriptor signals_;
  FileDescriptor end_;
  std::vector<Task> tasks_;
  std::vector<Reaction> reactions_;
};

}  // namespace holdfast::daemon
