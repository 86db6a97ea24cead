// SPDX-License-Identifier: Apache-2.0
// A filesystem mounted on memory, with operations by path, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fsmeta/filesystem.h"
#include "fsmeta/format_region.h"

namespace holdfast::tests {

/// Owns a mounted filesystem. Failures to format or mount abort the test program. Paths are
/// relative to the root, "" is the root, and links in them are not followed. Every operation by
/// path forgets what it looked up. One thread.
class MountedFilesystem {
 public:
  static constexpr uint64_t kDefaultBytes = uint64_t{16} << 20;

  explicit MountedFilesystem(uint64_t bytes = kDefaultBytes,
                             const fsmeta::MountOptions& options = {},
                             const fsmeta::FormatOptions& format = {});

  /// Over a region that holds a filesystem.
  MountedFilesystem(std::unique_ptr<daxcore::Region> region, const fsmeta::MountOptions& options);

  fsmeta::Filesystem& fs() { return *fs_; }
  fsmeta::Volume& volume() { return fs_->volume(); }
  fsmeta::OpContext& op() { return op_; }
  fsmeta::MountOptions& options() { return options_; }

  /// Unmounts and mounts again.
  void Remount();
  /// As after kill -9 and a new mount: what is not on the medium is gone. Orphans are not finished.
  void Crash();
  /// As Crash, with `image` as the medium.
  void MountImage(std::span<const std::byte> image);
  std::vector<std::byte> Image();

  fsmeta::Result<fsmeta::Ino> Find(std::string_view path);
  fsmeta::Result<fsmeta::Attributes> Stat(std::string_view path);
  fsmeta::Result<void> Create(std::string_view path, uint32_t mode = 0644);
  fsmeta::Result<void> MakeDirectory(std::string_view path, uint32_t mode = 0755);
  fsmeta::Result<void> Symlink(std::string_view target, std::string_view path);
  fsmeta::Result<void> Link(std::string_view path, std::string_view new_path);
  fsmeta::Result<void> Unlink(std::string_view path);
  fsmeta::Result<void> RemoveDirectory(std::string_view path);
  fsmeta::Result<void> Rename(std::string_view from, std::string_view to, unsigned flags = 0);
  fsmeta::Result<std::string> ReadSymlink(std::string_view path);
  /// Names (without . and ..) and where they lead.
  std::map<std::string, fsmeta::Ino> List(std::string_view path);

  /// For operations made of several calls: the one that they are about has returned. Calls `fn`.
  void set_on_return(std::function<void()> fn) { on_return_ = std::move(fn); }
  void Returned() {
    if (on_return_) on_return_();
  }

  /// Expects that a check of the medium finds nothing wrong.
  void ExpectSound();
  /// From now on, until the next mount: after every commit.
  void CheckEachCommit();

  uint64_t FreeBlocks();
  uint64_t FreeInodes();
  /// Blocks free for files go down to `left` at most: one file takes the rest.
  void FillUp(uint64_t left = 0);

 private:
  struct Place {
    fsmeta::Ino parent;
    std::string name;
  };
  fsmeta::Result<Place> Split(std::string_view path);
  fsmeta::Result<void> Forgotten(fsmeta::Result<fsmeta::Attributes> made);
  void Mount(std::unique_ptr<daxcore::Region> region);

  fsmeta::MountOptions options_;
  fsmeta::OpContext op_;
  std::function<void()> on_return_;
  std::unique_ptr<fsmeta::Filesystem> fs_;
};

}  // namespace holdfast::tests
