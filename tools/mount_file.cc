// SPDX-License-Identifier: Apache-2.0
// Opening files of a mount, and what their errors mean.
#include "tools/mount_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

namespace holdfast::tools {

using daxcore::Fail;
using daxcore::FailErrno;
using daxcore::Result;

std::unexpected<daxcore::Error> FailOnFile(int code, const char* what, const std::string& path) {
  auto failed = FailErrno(code, std::string("cannot ") + what, path);
  std::string& message = failed.error().message;
  if (code == ENOTTY) {
    return Fail(EOPNOTSUPP,
                std::string("cannot ") + what + " " + path + ": it is not on a Holdfast mount");
  }
  if (code == ENOTCONN) message += "; its daemon is gone: umount -l the mount and mount it again";
  return failed;
}

Result<MountFile> MountFile::Open(const std::string& path, int flags, mode_t mode) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return FailOnFile(errno, "open", path);
  return MountFile(path, fd);
}

MountFile::MountFile(MountFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

MountFile::~MountFile() {
  if (fd_ >= 0) close(fd_);
}

Result<void> MountFile::Control(unsigned long request, void* argument, const char* what) const {
  if (ioctl(fd_, request, argument) == 0) return {};
  return FailOnFile(errno, what, path_);
}

Result<void> MountFile::Change(unsigned long request, void* argument, const char* what) const {
  HOLDFAST_TRY(Control(request, argument, what));
  HOLDFAST_TRY(Stat());
  return {};
}

Result<struct stat> MountFile::Stat() const {
  struct stat file;
  if (fstat(fd_, &file) != 0) return FailOnFile(errno, "examine", path_);
  return file;
}

}  // namespace holdfast::tools
