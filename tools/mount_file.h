// SPDX-License-Identifier: Apache-2.0
// An open file of a mount, for what only its daemon can do.
#pragma once

#include <sys/stat.h>

#include <string>

#include "daxcore/result.h"

namespace holdfast::tools {

/// Owns one descriptor. Movable, one thread. Errors carry a line that names the file.
class MountFile {
 public:
  /// open(2) with O_CLOEXEC.
  static daxcore::Result<MountFile> Open(const std::string& path, int flags, mode_t mode = 0);
  ~MountFile();
  MountFile(MountFile&& other) noexcept;
  MountFile& operator=(MountFile&&) = delete;

  /// Calls ioctl(2); `what` is the verb for errors ("collapse"). EOPNOTSUPP where the file is not
  /// on a Holdfast mount.
  daxcore::Result<void> Control(unsigned long request, void* argument, const char* what) const;
  /// The same for what changes the file: the kernel knows its new size afterwards.
  daxcore::Result<void> Change(unsigned long request, void* argument, const char* what) const;
  daxcore::Result<struct stat> Stat() const;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  MountFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

/// "cannot WHAT PATH: ...", with advice where the errno alone does not help.
std::unexpected<daxcore::Error> FailOnFile(int code, const char* what, const std::string& path);

}  // namespace holdfast::tools
