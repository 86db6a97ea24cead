// SPDX-License-Identifier: Apache-2.0
// chmod, chown, utimes, and what they take along.
#include "fsmeta/attribute_change.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

class AttributeChangeTest : public testing::Test {
 protected:
  AttributeChangeTest() {
    EXPECT_TRUE(mounted_.Create("f"));
    f_ = *mounted_.Find("f");
  }
  Attributes Set(const AttributeChange& change, Ino ino = Ino(0)) {
    const auto set = mounted_.fs().SetAttributes(mounted_.op(), ino == Ino(0) ? f_ : ino, change);
    EXPECT_TRUE(set) << set.error().Text();
    return set.value_or(Attributes());
  }
  bool HasCapability() { return mounted_.fs().GetXattr(f_, "security.capability").has_value(); }
  void GiveCapability() {
    ASSERT_TRUE(mounted_.fs().SetXattr(mounted_.op(), f_, "security.capability", "cap", 0));
  }

  MountedFilesystem mounted_;
  Ino f_{0};
};

TEST_F(AttributeChangeTest, WhatIsNotSetStays) {
  Set({.mode = 0640, .uid = 5, .gid = 6, .atime = timespec{1, 2}, .mtime = timespec{3, 4}});
  const Attributes changed = Set({.uid = 7});
  EXPECT_EQ(changed.mode, uint32_t{S_IFREG | 0640});
  EXPECT_EQ(changed.uid, 7U);
  EXPECT_EQ(changed.gid, 6U);
  EXPECT_EQ(changed.atime.tv_nsec, 2);
  EXPECT_EQ(changed.mtime.tv_sec, 3);
  mounted_.Crash();
  EXPECT_EQ(mounted_.Stat("f")->uid, 7U);
  EXPECT_EQ(mounted_.Stat("f")->mtime.tv_nsec, 4);
}

TEST_F(AttributeChangeTest, EveryChangeStampsCtime) {
  Set({.ctime = timespec{100, 0}});
  EXPECT_EQ(mounted_.Stat("f")->ctime.tv_sec, 100);
  EXPECT_GT(Set({.mtime = timespec{5, 0}}).ctime.tv_sec, 100);
  EXPECT_EQ(mounted_.Stat("f")->mtime.tv_sec, 5);
}

TEST_F(AttributeChangeTest, ANewOwnerLosesPrivileges) {
  Set({.mode = 06755});
  GiveCapability();
  EXPECT_EQ(Set({.uid = 5}).mode, uint32_t{S_IFREG | 0755});
  EXPECT_FALSE(HasCapability());
  Set({.mode = 06745});
  EXPECT_EQ(Set({.gid = 5}).mode, uint32_t{S_IFREG | 02745});  // root: mandatory locking's bit
  mounted_.op().caller = {.uid = 5, .gid = 99};
  EXPECT_EQ(Set({.gid = 6}).mode, uint32_t{S_IFREG | 0745});
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  const Ino d = *mounted_.Find("d");
  Set({.mode = 06755}, d);
  EXPECT_EQ(Set({.uid = 5}, d).mode, uint32_t{S_IFDIR | 06755});
}

TEST_F(AttributeChangeTest, KillingByItself) {
  Set({.mode = 06755});
  GiveCapability();
  EXPECT_EQ(Set({.kill_suid_sgid = true}).mode, uint32_t{S_IFREG | 0755});
  EXPECT_FALSE(HasCapability());
}

TEST_F(AttributeChangeTest, ChmodChangesTheAccessAcl) {
  ASSERT_TRUE(mounted_.fs().SetXattr(mounted_.op(), f_, kAccessAclName,
                                     AclValue("u::rw- u:7:rwx g::r-x m::rwx o::r--"), 0));
  EXPECT_EQ(Set({.mode = 0701}).mode, uint32_t{S_IFREG | 0701});
  EXPECT_EQ(mounted_.fs().GetXattr(f_, kAccessAclName).value_or(""),
            AclValue("u::rwx u:7:rwx g::r-x m::--- o::--x"));
}

TEST_F(AttributeChangeTest, SizeAndTheRest) {
  Set({.mode = 06755});
  const Attributes changed = Set({.size = 10000, .mtime = timespec{9, 0}, .kill_suid_sgid = true});
  EXPECT_EQ(changed.size, 10000U);
  EXPECT_EQ(changed.mtime.tv_sec, 9);
  EXPECT_EQ(changed.mode, uint32_t{S_IFREG | 0755});
}

TEST_F(AttributeChangeTest, OnWhatIsGone) {
  EXPECT_EQ(ErrorOf(mounted_.fs().SetAttributes(mounted_.op(), Ino(7777), {.mode = 0600})), ESTALE);
}

}  // namespace
}  // namespace holdfast::fsmeta
