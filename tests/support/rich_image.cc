// SPDX-License-Identifier: Apache-2.0
// Filling a filesystem in memory.
#include "tests/support/rich_image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <string>

#include "fsmeta/filesystem.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {
namespace {

std::vector<std::byte> Bytes(size_t n) { return std::vector<std::byte>(n, std::byte{7}); }

void MustDo(const daxcore::Result<void>& result) { ASSERT_TRUE(result) << result.error().Text(); }

}  // namespace

std::vector<std::byte> MakeRichImage(uint64_t image_bytes, int entries) {
  fsmeta::FormatOptions format;  // the same names and hashes each time
  format.uuid = fsmeta::Uuid{1, 2, 3};
  format.hash_seed = 4;
  MountedFilesystem mounted(image_bytes, {}, format);
  auto& fs = mounted.fs();
  const auto ino = [&](const std::string& path) { return *mounted.Find(path); };
  const auto write_bytes = [&](const std::string& path, uint64_t block, size_t bytes) {
    ASSERT_TRUE(fs.Write(mounted.op(), ino(path), block * 4096, Bytes(bytes), false));
  };
  for (const char* name : {"plain", "holes", "clone", "listed", "orphan"}) {
    MustDo(mounted.Create(name));
  }
  write_bytes("plain", 0, 40000);
  for (uint64_t i = 0; i < 200; ++i) write_bytes("holes", 2 * i, 4096);  // a tree of two levels
  MustDo(fs.Reflink(mounted.op(), ino("plain"), 0, ino("clone"), 0, 0));
  MustDo(fs.Allocate(mounted.op(), ino("clone"), 0, 1 << 20, 65536));
  MustDo(mounted.MakeDirectory("dir"));
  for (int i = 0; i < entries; ++i) {
    MustDo(mounted.Create("dir/entry-with-a-name-that-takes-room-" + std::to_string(i)));
  }
  MustDo(mounted.MakeDirectory("dir/sub"));
  MustDo(mounted.MakeDirectory("dir/sub/leaf"));
  MustDo(mounted.Link("plain", "dir/sub/linked"));
  MustDo(mounted.Symlink("short", "link"));
  MustDo(mounted.Symlink(std::string(3000, 'l'), "long"));
  EXPECT_TRUE(
      fs.MakeNode(mounted.op(), daxcore::Ino(fsmeta::kInoRoot), "device", S_IFCHR | 0600, 0x501));
  for (const size_t bytes : {10, 1000, 2000, 2500, 9000}) {
    MustDo(fs.SetXattr(mounted.op(), ino("listed"), "user.v" + std::to_string(bytes),
                       std::string(bytes, 'v'), 0));
  }
  // Removed while it is open, and the power fails: it stays in the orphan file.
  const daxcore::Ino open = ino("orphan");
  MustDo(fs.Open(open));
  MustDo(mounted.Unlink("orphan"));
  return mounted.Image();
}

}  // namespace holdfast::tests
