// SPDX-License-Identifier: Apache-2.0
// Times whole-file reflinks of one file, each to a new file that is removed again untimed: a
// program for tools/bench. Prints the nanoseconds of each, one a line.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

// Kernel filesystems reflink by ioctl, which FUSE does not forward; there copy_file_range does it,
// in one call. More than one call would mean that something was copied: that is an error here.
bool Clone(bool by_ioctl, int source, int target, off_t length) {
  if (by_ioctl) return ioctl(target, FICLONE, source) == 0;
  off_t from = 0;
  off_t to = 0;
  const ssize_t done = copy_file_range(source, &from, target, &to, static_cast<size_t>(length), 0);
  if (done >= 0 && done != length) errno = EIO;
  return done == length;
}

int Fail(const char* what, const std::string& path) {
  std::fprintf(stderr, "reflink_ops: %s %s: %s\n", what, path.c_str(), std::strerror(errno));
  return 1;
}

int CloneRepeatedly(bool by_ioctl, const std::string& path, int count) {
  struct stat attributes;
  const int source = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0 || fstat(source, &attributes) != 0) return Fail("open", path);
  const std::string clone = path + ".clone";
  for (int i = 0; i < count; ++i) {
    const int target = open(clone.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    if (target < 0) return Fail("create", clone);
    const auto begin = std::chrono::steady_clock::now();
    const bool cloned = Clone(by_ioctl, source, target, attributes.st_size);
    const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - begin;
    if (!cloned) return Fail("reflink to", clone);
    std::printf("%lld\n", static_cast<long long>(taken.count()));
    close(target);
    if (unlink(clone.c_str()) != 0) return Fail("unlink", clone);
  }
  close(source);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc == 4 ? argv[1] : "";
  if (how != "ioctl" && how != "copy_file_range") {
    std::fprintf(stderr, "usage: reflink_ops ioctl|copy_file_range FILE COUNT\n");
    return 2;
  }
  return CloneRepeatedly(how == "ioctl", argv[2], std::atoi(argv[3]));
}
