// SPDX-License-Identifier: Apache-2.0
// Listings over the protocol: complete in pieces of any size, and lookups that are counted.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <string>

#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {
namespace {

using tests::BytesOf;
using tests::FuseReply;

class DirectoryOperationsTest : public FakeMount {
 protected:
  FuseReply Read(uint32_t opcode, uint64_t cookie, uint32_t room) {
    fuse_read_in in{};
    in.offset = cookie;
    in.size = room;
    return kernel().Call(opcode, kRoot, {BytesOf(in)});
  }

  // Names and inode numbers, asked for in pieces of `room` bytes.
  std::map<std::string, uint64_t> List(uint32_t room) {
    std::map<std::string, uint64_t> names;
    for (uint64_t cookie = 0;;) {
      const FuseReply piece = Read(FUSE_READDIR, cookie, room);
      EXPECT_EQ(piece.error, 0);
      EXPECT_LE(piece.body.size(), room);
      if (piece.body.empty()) return names;
      for (size_t at = 0; at < piece.body.size();) {
        const auto entry = piece.As<fuse_dirent>(at);
        const std::string name = piece.Text().substr(at + FUSE_NAME_OFFSET, entry.namelen);
        EXPECT_TRUE(names.emplace(name, entry.ino).second) << name << " comes twice";
        cookie = entry.off;
        at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
      }
    }
  }
};

TEST_F(DirectoryOperationsTest, PiecesOfAnySizeAddUpToTheWhole) {
  for (int i = 0; i < 300; ++i) MakeFile("file" + std::to_string(i));
  const auto whole = List(1 << 20);
  EXPECT_EQ(whole.size(), 302U) << "with . and ..";
  EXPECT_EQ(List(4096), whole);
  EXPECT_EQ(List(100), whole);
}

TEST_F(DirectoryOperationsTest, NoRoomForOneEntryIsAnEmptyPiece) {
  MakeFile("f");
  EXPECT_TRUE(Read(FUSE_READDIR, 0, 10).body.empty());
  EXPECT_TRUE(Read(FUSE_READDIRPLUS, 0, 10).body.empty());
}

TEST_F(DirectoryOperationsTest, EntriesWithAttributesAreLookedUp) {
  const OpenFile file = MakeFile("f", "data");
  EXPECT_EQ(kernel().Release(file.node, file.handle).error, 0);
  const FuseReply piece = Read(FUSE_READDIRPLUS, 0, 65536);
  uint64_t told = 0;
  for (size_t at = 0; at < piece.body.size();) {
    const auto entry = piece.As<fuse_direntplus>(at);
    if (entry.entry_out.nodeid == file.node) {
      EXPECT_EQ(entry.entry_out.attr.size, 4U);
      ++told;
    }
    at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen);
  }
  EXPECT_EQ(told, 1U);
  kernel().Forget(file.node, 1);  // of the creation
  EXPECT_EQ(kernel().Attributes(file.node).error, 0);
  EXPECT_TRUE(volume().live().Find(daxcore::Ino(file.node))) << "the listing counts, too";
  kernel().Forget(file.node, 1);
  while (volume().live().Find(daxcore::Ino(file.node))) std::this_thread::yield();
}

TEST_F(DirectoryOperationsTest, FilesAreNotListed) {
  const OpenFile file = MakeFile("f");
  fuse_read_in in{};
  in.size = 4096;
  EXPECT_EQ(kernel().Call(FUSE_READDIR, file.node, {BytesOf(in)}).error, ENOTDIR);
}

}  // namespace
}  // namespace holdfast::daemon
