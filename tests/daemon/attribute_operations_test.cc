// SPDX-License-Identifier: Apache-2.0
// Attributes and extended attributes over the protocol.
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

class AttributeOperationsTest : public FakeMount {
 protected:
  FuseReply Set(uint64_t node, fuse_setattr_in in) {
    return kernel().Call(FUSE_SETATTR, node, {BytesOf(in)});
  }
  FuseReply SetXattr(uint64_t node, std::string_view name, std::string_view value,
                     uint32_t flags = 0) {
    // The short form of the struct, as without FUSE_SETXATTR_EXT.
    const uint32_t in[] = {static_cast<uint32_t>(value.size()), flags};
    return kernel().Call(FUSE_SETXATTR, node, {BytesOf(in), Terminated(name), value});
  }
  FuseReply GetXattr(uint64_t node, std::string_view name, uint32_t room) {
    const fuse_getxattr_in in{room, 0};
    return kernel().Call(FUSE_GETXATTR, node, {BytesOf(in), Terminated(name)});
  }
  FuseReply ListXattr(uint64_t node, uint32_t room) {
    const fuse_getxattr_in in{room, 0};
    return kernel().Call(FUSE_LISTXATTR, node, {BytesOf(in)});
  }
};

TEST_F(AttributeOperationsTest, OnlyWhatIsMarkedValidChanges) {
  const OpenFile file = MakeFile("f", "data");
  fuse_setattr_in in{};
  in.valid = FATTR_MODE | FATTR_UID | FATTR_MTIME;
  in.mode = S_IFREG | 0600;
  in.uid = 7;
  in.gid = 8;
  in.size = 0;
  in.mtime = 1234;
  in.mtimensec = 567;
  const auto attr = Set(file.node, in).As<fuse_attr_out>().attr;
  EXPECT_EQ(attr.mode, uint32_t{S_IFREG | 0600});
  EXPECT_EQ(attr.uid, 7U);
  EXPECT_EQ(attr.gid, 0U);
  EXPECT_EQ(attr.size, 4U);
  EXPECT_EQ(attr.mtime, 1234U);
  EXPECT_EQ(attr.mtimensec, 567U);
}

TEST_F(AttributeOperationsTest, AttributesMayBeKeptForLong) {
  EXPECT_GT(kernel().Attributes(kRoot).As<fuse_attr_out>().attr_valid, 3600U);
}

TEST_F(AttributeOperationsTest, XattrsComeInTheRoomThereIs) {
  const OpenFile file = MakeFile("f");
  EXPECT_EQ(SetXattr(file.node, "user.a", "value").error, 0);
  EXPECT_EQ(GetXattr(file.node, "user.a", 0).As<fuse_getxattr_out>().size, 5U);
  EXPECT_EQ(GetXattr(file.node, "user.a", 4).error, ERANGE);
  EXPECT_EQ(GetXattr(file.node, "user.a", 5).Text(), "value");
  EXPECT_EQ(GetXattr(file.node, "user.b", 5).error, ENODATA);
  EXPECT_EQ(SetXattr(file.node, "user.a", "x", 1).error, EEXIST) << "XATTR_CREATE";
  EXPECT_EQ(SetXattr(file.node, "user.b", "x", 2).error, ENODATA) << "XATTR_REPLACE";
  EXPECT_EQ(ListXattr(file.node, 0).As<fuse_getxattr_out>().size, 7U);
  EXPECT_EQ(ListXattr(file.node, 100).Text(), Terminated("user.a"));
  EXPECT_EQ(kernel().Call(FUSE_REMOVEXATTR, file.node, {Terminated("user.a")}).error, 0);
  EXPECT_TRUE(ListXattr(file.node, 100).Text().empty());
}

TEST_F(AttributeOperationsTest, StatfsTellsOfTheWholeFilesystem) {
  const auto st = kernel().Call(FUSE_STATFS, kRoot).As<fuse_statfs_out>().st;
  EXPECT_EQ(st.bsize, 4096U);
  EXPECT_EQ(st.blocks, (uint64_t{16} << 20) / 4096);
  EXPECT_LT(st.bavail, st.bfree);
  EXPECT_EQ(st.namelen, 255U);
}

}  // namespace
}  // namespace holdfast::daemon
