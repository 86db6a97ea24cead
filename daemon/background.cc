// SPDX-License-Identifier: Apache-2.0
// fork, pipe, setsid.
#include "daemon/background.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast::daemon {
namespace {

constexpr char kReadyByte = '\0';

void WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

// What the child said before it closed the pipe.
std::string ReadAll(int fd) {
  std::string said;
  char buffer[1024];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return said;
    said.append(buffer, static_cast<size_t>(got));
  }
}

[[noreturn]] void WaitForChild(const FileDescriptor& from_child) {
  const std::string said = ReadAll(from_child.get());
  if (said == std::string(1, kReadyByte)) _exit(0);
  fprintf(stderr, "holdfastd: %s\n",
          said.empty() ? "the daemon ended before the mount was ready" : said.c_str());
  _exit(1);
}

}  // namespace

void ReadyPipe::Ready() {
  if (to_parent_) WriteAll(to_parent_.get(), &kReadyByte, 1);
  to_parent_ = FileDescriptor();
}

void ReadyPipe::Failed(const std::string& message) {
  if (to_parent_) {
    WriteAll(to_parent_.get(), message.data(), message.size());
  } else {
    fprintf(stderr, "holdfastd: %s\n", message.c_str());
  }
  to_parent_ = FileDescriptor();
}

daxcore::Result<ReadyPipe> GoToBackground() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return daxcore::FailErrno(errno, "cannot make", "a pipe");
  FileDescriptor from_child(ends[0]);
  FileDescriptor to_parent(ends[1]);
  const pid_t child = fork();
  if (child < 0) return daxcore::FailErrno(errno, "cannot start", "a background process");
  if (child > 0) {
    to_parent = FileDescriptor();
    WaitForChild(from_child);
  }
  setsid();
  return ReadyPipe(std::move(to_parent));
}

void LeaveTerminal() {
  const FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), standard);
}

}  // namespace holdfast::daemon
