// SPDX-License-Identifier: Apache-2.0
// A folder for one test, removed with everything in it at the end.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace holdfast::tests {

/// Owns a fresh folder under `parent`. One thread.
class ScratchDir {
 public:
  explicit ScratchDir(const std::string& parent = "/dev/shm")
      : path_(parent + "/holdfast-test-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDir() { std::filesystem::remove_all(path_); }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace holdfast::tests
