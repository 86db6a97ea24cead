// SPDX-License-Identifier: Apache-2.0
// Times one kind of metadata operation over many files of one directory: a program for tools/bench,
// which runs it on one filesystem after another. Prints the nanoseconds that all of them took.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Operation = int (*)(const std::string& path);

int Create(const std::string& path) {
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  return fd < 0 ? -1 : close(fd);
}

int Stat(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes);
}

int Rename(const std::string& path) { return rename(path.c_str(), (path + ".renamed").c_str()); }

int Unlink(const std::string& path) { return unlink((path + ".renamed").c_str()); }

Operation FindOperation(std::string_view name) {
  if (name == "create") return Create;
  if (name == "stat") return Stat;
  if (name == "rename") return Rename;
  if (name == "unlink") return Unlink;
  return nullptr;
}

// The names are made before the clock starts: only system calls are timed.
std::vector<std::string> MakeNames(const std::string& directory, int count) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) names.push_back(directory + "/file-" + std::to_string(i));
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  const Operation operation = argc == 4 ? FindOperation(argv[1]) : nullptr;
  int count = 0;
  if (operation != nullptr) std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), count);
  if (count <= 0) {
    std::fprintf(stderr, "usage: metadata_ops create|stat|rename|unlink DIRECTORY COUNT\n");
    return 2;
  }
  const auto names = MakeNames(argv[2], count);
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& name : names) {
    if (operation(name) != 0) {
      std::fprintf(stderr, "metadata_ops: %s %s: %s\n", argv[1], name.c_str(),
                   std::strerror(errno));
      return 1;
    }
  }
  const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - begin;
  std::printf("%lld\n", static_cast<long long>(taken.count()));
  return 0;
}
