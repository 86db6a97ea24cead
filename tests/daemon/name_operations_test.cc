// SPDX-License-Identifier: Apache-2.0
// Names over the protocol: what is looked up, counted, forgotten and remembered as missing.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {
namespace {

using tests::BytesOf;
using tests::FuseReply;
using tests::Terminated;

class NameOperationsTest : public FakeMount {
 protected:
  bool IsLive(uint64_t node) { return bool{volume().live().Find(daxcore::Ino(node))}; }
  uint64_t FreeBlocks() { return service().filesystem().GetStatFs()->free; }
};

TEST_F(NameOperationsTest, WhatIsMissingMayBeRemembered) {
  const FuseReply none = kernel().Lookup(kRoot, "none");
  EXPECT_EQ(none.error, 0);
  EXPECT_EQ(none.As<fuse_entry_out>().nodeid, 0U) << "a negative entry";
  EXPECT_GT(none.As<fuse_entry_out>().entry_valid, 3600U);
}

TEST_F(NameOperationsTest, NamesThatNoFileCanHaveAreRefused) {
  EXPECT_EQ(kernel().Lookup(kRoot, std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(kernel().Create(kRoot, std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(kernel().Lookup(kRoot, "").error, EINVAL);
  EXPECT_EQ(kernel().MakeDirectory(kRoot, "a/b").error, EINVAL);
}

TEST_F(NameOperationsTest, EveryReplyWithAnEntryCountsUntilItIsForgotten) {
  const OpenFile file = MakeFile("f");
  EXPECT_EQ(kernel().Release(file.node, file.handle).error, 0);
  for (int i = 0; i < 3; ++i) kernel().Lookup(kRoot, "f");
  kernel().Forget(file.node, 3);
  EXPECT_EQ(kernel().Attributes(file.node).error, 0);
  EXPECT_TRUE(IsLive(file.node)) << "created once, looked up three times";
  kernel().Forget(file.node, 1);
  EXPECT_EQ(kernel().Attributes(kRoot).error, 0);  // the forget was handled by now, or soon is
  while (IsLive(file.node)) std::this_thread::yield();
}

TEST_F(NameOperationsTest, ManyAreForgottenAtOnce) {
  fuse_forget_one forgets[3];
  for (uint64_t i = 0; i < 3; ++i) {
    const OpenFile file = MakeFile("f" + std::to_string(i));
    EXPECT_EQ(kernel().Release(file.node, file.handle).error, 0);
    forgets[i] = {file.node, 1};
  }
  const fuse_batch_forget_in in{3, 0};
  kernel().Send(FUSE_BATCH_FORGET, 0, {BytesOf(in), BytesOf(forgets)});
  for (const fuse_forget_one& forget : forgets) {
    while (IsLive(forget.nodeid)) std::this_thread::yield();
  }
}

TEST_F(NameOperationsTest, ForgettingMoreThanWasCountedDoesNoHarm) {
  const OpenFile file = MakeFile("f");
  kernel().Forget(file.node, ~uint64_t{0});
  kernel().Forget(12345, 1);
  EXPECT_EQ(kernel().Attributes(file.node).error, 0) << "it is still open";
  EXPECT_EQ(kernel().Release(file.node, file.handle).error, 0);
}

TEST_F(NameOperationsTest, AnUnlinkedFileLivesWhileItIsOpen) {
  MakeFile("first");  // the directory has its block
  const uint64_t free = FreeBlocks();
  const OpenFile file = MakeFile("f", std::string(40960, 'x'));
  EXPECT_EQ(kernel().Unlink(kRoot, "f").error, 0);
  kernel().Forget(file.node, 1);
  EXPECT_EQ(kernel().Read(file.node, file.handle, 40959, 10).Text(), "x");
  EXPECT_EQ(kernel().Release(file.node, file.handle).error, 0);
  while (IsLive(file.node)) std::this_thread::yield();
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(kernel().Attributes(file.node).error, ESTALE);
}

TEST_F(NameOperationsTest, LinksSymlinksAndRenames) {
  const OpenFile file = MakeFile("f", "data");
  const fuse_link_in link{file.node};
  EXPECT_EQ(kernel().Call(FUSE_LINK, kRoot, {BytesOf(link), Terminated("g")}).error, 0);
  EXPECT_EQ(kernel().Attributes(file.node).As<fuse_attr_out>().attr.nlink, 2U);
  const FuseReply made =
      kernel().Call(FUSE_SYMLINK, kRoot, {Terminated("l"), Terminated("the/target")});
  EXPECT_EQ(kernel().Call(FUSE_READLINK, made.As<fuse_entry_out>().nodeid).Text(), "the/target");
  EXPECT_EQ(kernel().MakeDirectory(kRoot, "d").error, 0);
  const uint64_t d = kernel().Lookup(kRoot, "d").As<fuse_entry_out>().nodeid;
  const fuse_rename2_in rename{d, 0, 0};
  EXPECT_EQ(
      kernel().Call(FUSE_RENAME2, kRoot, {BytesOf(rename), Terminated("g"), Terminated("h")}).error,
      0);
  EXPECT_EQ(kernel().Lookup(d, "h").As<fuse_entry_out>().nodeid, file.node);
  EXPECT_EQ(kernel().Lookup(kRoot, "g").As<fuse_entry_out>().nodeid, 0U);
  EXPECT_EQ(kernel().Call(FUSE_RMDIR, kRoot, {Terminated("d")}).error, ENOTEMPTY);
}

TEST_F(NameOperationsTest, DevicesAndFifosKeepWhatTheyAre) {
  fuse_mknod_in in{};
  in.mode = S_IFCHR | 0600;
  in.rdev = 0x0103;
  const FuseReply made = kernel().Call(FUSE_MKNOD, kRoot, {BytesOf(in), Terminated("null")});
  EXPECT_EQ(made.As<fuse_entry_out>().attr.mode, uint32_t{S_IFCHR | 0600});
  EXPECT_EQ(made.As<fuse_entry_out>().attr.rdev, 0x0103U);
  in.mode = 0777000 | 0600;
  EXPECT_EQ(kernel().Call(FUSE_MKNOD, kRoot, {BytesOf(in), Terminated("odd")}).error, EINVAL);
}

}  // namespace
}  // namespace holdfast::daemon
