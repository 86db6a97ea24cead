// SPDX-License-Identifier: Apache-2.0
// Finds the mount of a descriptor in /proc/self/mountinfo, and a device's alignment in /sys.
#include "client/region_path.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bit>
#include <fstream>
#include <sstream>

namespace holdfast::client {
namespace {

// mountinfo writes blanks, tabs, newlines and backslashes as \ooo.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    out += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return out;
}

}  // namespace

std::string RegionOfMount(int fd) {
  struct stat st{};
  if (fstat(fd, &st) != 0) return {};
  const std::string device =
      std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root mountpoint options [tags] - type source superoptions
    std::istringstream head(line);
    std::string id, parent, number;
    head >> id >> parent >> number;
    const size_t dash = line.find(" - ");
    if (number != device || dash == std::string::npos) continue;
    std::istringstream tail(line.substr(dash + 3));
    std::string type, source;
    tail >> type >> source;
    if (type == "fuse.holdfast") return Unescape(source);
  }
  return {};
}

uint64_t MappingUnit(int region_fd) {
  constexpr uint64_t kPage = 4096;
  struct stat st{};
  if (fstat(region_fd, &st) != 0 || !S_ISCHR(st.st_mode)) return kPage;
  std::ifstream file("/sys/dev/char/" + std::to_string(major(st.st_rdev)) + ":" +
                     std::to_string(minor(st.st_rdev)) + "/align");
  uint64_t unit = 0;
  return file >> unit && unit >= kPage && std::has_single_bit(unit) ? unit : kPage;
}

}  // namespace holdfast::client
