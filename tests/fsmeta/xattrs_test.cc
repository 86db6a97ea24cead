// SPDX-License-Identifier: Apache-2.0
// The attribute operations: namespaces, limits, flags, ACLs and the mode.
#include "fsmeta/xattrs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <string>

#include "fsmeta/posix_acl.h"
#include "tests/support/acl_text.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::AclValue;
using tests::ErrorOf;
using tests::MountedFilesystem;

class XattrsTest : public testing::Test {
 protected:
  XattrsTest() {
    EXPECT_TRUE(mounted_.Create("f", 0664));
    EXPECT_TRUE(mounted_.MakeDirectory("d"));
    f_ = *mounted_.Find("f");
    d_ = *mounted_.Find("d");
  }
  ~XattrsTest() override { mounted_.ExpectSound(); }
  Filesystem& fs() { return mounted_.fs(); }
  int Set(std::string_view name, std::string_view value, int flags = 0, bool kill_sgid = false) {
    return ErrorOf(fs().SetXattr(mounted_.op(), f_, name, value, flags, kill_sgid));
  }
  int Remove(std::string_view name) { return ErrorOf(fs().RemoveXattr(mounted_.op(), f_, name)); }
  std::string Get(std::string_view name) { return fs().GetXattr(f_, name).value_or("none"); }
  std::string List() { return fs().ListXattr(f_).value_or("?"); }
  uint32_t Mode() { return mounted_.Stat("f")->mode & 07777; }

  MountedFilesystem mounted_;
  Ino f_{0};
  Ino d_{0};
};

TEST_F(XattrsTest, EveryNamespaceWeHave) {
  for (const char* name : {"user.a", "trusted.a", "security.a"}) {
    EXPECT_EQ(Set(name, name), 0);
    EXPECT_EQ(Get(name), name);
  }
  for (const char* name : {"system.other", "os2.a", "a", "user", "usera"}) {
    EXPECT_EQ(Set(name, "x"), EOPNOTSUPP) << name;
    EXPECT_EQ(ErrorOf(fs().GetXattr(f_, name)), EOPNOTSUPP) << name;
    EXPECT_EQ(Remove(name), EOPNOTSUPP) << name;
  }
  EXPECT_EQ(Set("user.", "x"), EINVAL);
  EXPECT_EQ(Set("", "x"), ERANGE);
  EXPECT_EQ(Set(std::string_view("user.a\0b", 8), "x"), EINVAL);
  mounted_.Crash();
  EXPECT_EQ(Get("trusted.a"), "trusted.a");
}

TEST_F(XattrsTest, FlagsAndAbsence) {
  EXPECT_EQ(Set("user.a", "1", XATTR_REPLACE), ENODATA);
  EXPECT_EQ(Set("user.a", "1", XATTR_CREATE), 0);
  EXPECT_EQ(Set("user.a", "2", XATTR_CREATE), EEXIST);
  EXPECT_EQ(Set("user.a", "3", XATTR_REPLACE), 0);
  EXPECT_EQ(Set("user.a", "3", 4), EINVAL);
  EXPECT_EQ(Get("user.a"), "3");
  EXPECT_EQ(Remove("user.a"), 0);
  EXPECT_EQ(Remove("user.a"), ENODATA);
  EXPECT_EQ(ErrorOf(fs().GetXattr(f_, "user.a")), ENODATA);
}

TEST_F(XattrsTest, Limits) {
  const std::string longest = "user." + std::string(250, 'n');
  EXPECT_EQ(Set(longest, std::string(65536, 'v')), 0);
  EXPECT_EQ(Get(longest).size(), 65536U);
  EXPECT_EQ(Set(longest + "x", "v"), ERANGE);
  EXPECT_EQ(Set("user.a", std::string(65537, 'v')), E2BIG);
  EXPECT_EQ(Set("user.empty", ""), 0);
  EXPECT_EQ(Get("user.empty"), "");
}

TEST_F(XattrsTest, TheListNeverOutgrowsListxattr) {
  int error = 0;
  int n = 0;
  for (; error == 0; ++n) {
    const std::string number = std::to_string(1000 + n);
    error = Set("user." + number + std::string(240, 'n'), "");
  }
  EXPECT_EQ(error, ENOSPC);
  EXPECT_LE(List().size(), kMaxXattrListBytes);
  EXPECT_EQ(n - 1, static_cast<int>(kMaxXattrListBytes / 250));
  EXPECT_EQ(Set("user.1000" + std::string(240, 'n'), "replaced"), 0);
}

TEST_F(XattrsTest, UserAttributesAreForFilesAndDirectories) {
  ASSERT_TRUE(mounted_.Symlink("t", "l"));
  const Ino l = *mounted_.Find("l");
  EXPECT_EQ(ErrorOf(fs().SetXattr(mounted_.op(), l, "user.a", "x", 0)), EPERM);
  EXPECT_TRUE(fs().SetXattr(mounted_.op(), l, "trusted.a", "x", 0));
  EXPECT_TRUE(fs().SetXattr(mounted_.op(), d_, "user.a", "x", 0));
}

TEST_F(XattrsTest, ChangesStampCtime) {
  ASSERT_TRUE(fs().SetAttributes(mounted_.op(), f_, {.ctime = timespec{9, 0}}));
  EXPECT_EQ(Set("user.a", "x"), 0);
  EXPECT_GT(mounted_.Stat("f")->ctime.tv_sec, 9);
  ASSERT_TRUE(fs().SetAttributes(mounted_.op(), f_, {.ctime = timespec{9, 0}}));
  EXPECT_EQ(Remove("user.a"), 0);
  EXPECT_GT(mounted_.Stat("f")->ctime.tv_sec, 9);
}

TEST_F(XattrsTest, AccessAclAndModeFollowEachOther) {
  const std::string acl = AclValue("u::rwx u:7:rwx g::r-x m::rw- o::--x");
  EXPECT_EQ(Set(kAccessAclName, acl), 0);
  EXPECT_EQ(Get(kAccessAclName), acl);
  EXPECT_EQ(Mode(), 0761U);
  // One that the mode can say is not stored.
  EXPECT_EQ(Set(kAccessAclName, AclValue("u::rw- g::r-- o::---")), 0);
  EXPECT_EQ(Mode(), 0640U);
  EXPECT_EQ(Get(kAccessAclName), "none");
  EXPECT_EQ(List(), "");
  EXPECT_EQ(Set(kAccessAclName, acl), 0);
  EXPECT_EQ(Remove(kAccessAclName), 0);
  EXPECT_EQ(Mode(), 0761U);
  EXPECT_EQ(Remove(kAccessAclName), ENODATA);
  EXPECT_EQ(Set(kAccessAclName, acl), 0);
  EXPECT_EQ(Set(kAccessAclName, AclValue("")), 0);
  EXPECT_EQ(List(), "");
}

TEST_F(XattrsTest, AnAclMayCostTheSetgidBit) {
  ASSERT_TRUE(fs().SetAttributes(mounted_.op(), f_, {.mode = 02755}));
  const std::string acl = AclValue("u::rwx u:7:rwx g::r-x m::rwx o::--x");
  EXPECT_EQ(Set(kAccessAclName, acl), 0);
  EXPECT_EQ(Mode(), 02771U);
  EXPECT_EQ(Set(kAccessAclName, acl, 0, /*kill_sgid=*/true), 0);
  EXPECT_EQ(Mode(), 0771U);
}

TEST_F(XattrsTest, DefaultAclsAreForDirectories) {
  const std::string acl = AclValue("u::rwx g::r-x o::---");
  EXPECT_EQ(Set(kDefaultAclName, acl), EACCES);
  EXPECT_EQ(Set(kDefaultAclName, AclValue("")), 0);
  ASSERT_TRUE(fs().SetXattr(mounted_.op(), d_, kDefaultAclName, acl, 0));
  EXPECT_EQ(fs().GetXattr(d_, kDefaultAclName).value_or(""), acl);
  EXPECT_EQ(mounted_.Stat("d")->mode & 0777, 0755U);
  ASSERT_TRUE(fs().RemoveXattr(mounted_.op(), d_, kDefaultAclName));
  EXPECT_EQ(ErrorOf(fs().GetXattr(d_, kDefaultAclName)), ENODATA);
}

TEST_F(XattrsTest, WhatIsNoAclIsRefused) {
  EXPECT_EQ(Set(kAccessAclName, "nonsense"), EOPNOTSUPP);
  EXPECT_EQ(Set(kAccessAclName, AclValue("u::rwx")), EINVAL);
  EXPECT_EQ(Set(kDefaultAclName, "x"), EINVAL);
}

TEST_F(XattrsTest, AFullRegionRefusesAndChangesNothing) {
  EXPECT_EQ(Set("user.a", "before"), 0);
  mounted_.FillUp();
  while (Set("user.fill" + std::to_string(List().size()), std::string(1900, 'x')) == 0) {
  }
  const std::string names = List();
  EXPECT_EQ(Set("user.new", std::string(1900, 'x')), ENOSPC);
  EXPECT_EQ(Set("user.a", std::string(60000, 'x')), ENOSPC);
  EXPECT_EQ(List(), names);
  EXPECT_EQ(Get("user.a"), "before");
  EXPECT_EQ(Remove("user.a"), 0);
}

TEST_F(XattrsTest, GoWithTheFile) {
  const uint64_t free = mounted_.FreeBlocks();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Set("user." + std::to_string(i), std::string(3000, 'x')), 0);
  }
  ASSERT_TRUE(mounted_.Unlink("f"));
  EXPECT_EQ(mounted_.FreeBlocks(), free);
}

}  // namespace
}  // namespace holdfast::fsmeta
