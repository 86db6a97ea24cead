// SPDX-License-Identifier: Apache-2.0
// Going into the background, with the word whether it worked carried back to the shell.
#pragma once

#include <string>

#include "daemon/file_descriptor.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

/// The child's end of the promise "I return when the mount is ready". Belongs to one thread.
class ReadyPipe {
 public:
  /// In the foreground there is nobody to tell.
  ReadyPipe() = default;
  explicit ReadyPipe(FileDescriptor to_parent) : to_parent_(std::move(to_parent)) {}

  /// The parent returns success.
  void Ready();
  /// The parent prints `message` and returns failure.
  void Failed(const std::string& message);

 private:
  FileDescriptor to_parent_;
};

/// Forks. In the child, which leads a session of its own: the pipe. The parent does not return; it
/// waits for the child's word and exits with 0, or prints its message and exits with 1.
daxcore::Result<ReadyPipe> GoToBackground();

/// Once the mount is ready and whoever started us has been told: nothing of the terminal is kept.
void LeaveTerminal();

}  // namespace holdfast::daemon
