// SPDX-License-Identifier: Apache-2.0
// What a new inode takes from its parent and from who asks.
#include "fsmeta/inode_creation.h"

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

class InodeCreationTest : public testing::Test {
 protected:
  InodeCreationTest() {
    EXPECT_TRUE(mounted_.MakeDirectory("d", 0777));
    mounted_.op().caller = {.uid = 1000, .gid = 100, .pid = 1, .umask = 022};
  }
  Attributes Stat(std::string_view path) { return *mounted_.Stat(path); }
  std::string Xattr(std::string_view path, std::string_view name) {
    return mounted_.fs().GetXattr(*mounted_.Find(path), name).value_or("none");
  }
  void SetDefaultAcl(std::string_view text) {
    ASSERT_TRUE(mounted_.fs().SetXattr(mounted_.op(), *mounted_.Find("d"), kDefaultAclName,
                                       AclValue(text), 0));
  }

  MountedFilesystem mounted_;
};

TEST_F(InodeCreationTest, OwnerAndUmaskAreTheCallers) {
  ASSERT_TRUE(mounted_.Create("d/f", 0666));
  EXPECT_EQ(Stat("d/f").uid, 1000U);
  EXPECT_EQ(Stat("d/f").gid, 100U);
  EXPECT_EQ(Stat("d/f").mode, uint32_t{S_IFREG | 0644});
  ASSERT_TRUE(mounted_.MakeDirectory("d/e", 01777));
  EXPECT_EQ(Stat("d/e").mode, uint32_t{S_IFDIR | 01755});
  ASSERT_TRUE(mounted_.Symlink("t", "d/l"));
  EXPECT_EQ(Stat("d/l").mode, uint32_t{S_IFLNK | 0777});
}

TEST_F(InodeCreationTest, SetgidDirectoryGivesItsGroupAndDirectoriesTheBit) {
  ASSERT_TRUE(
      mounted_.fs().SetAttributes(mounted_.op(), *mounted_.Find("d"), {.mode = 02777, .gid = 55}));
  ASSERT_TRUE(mounted_.Create("d/f", 0666));
  ASSERT_TRUE(mounted_.MakeDirectory("d/e", 0777));
  ASSERT_TRUE(mounted_.Symlink("t", "d/l"));
  EXPECT_EQ(Stat("d/f").gid, 55U);
  EXPECT_EQ(Stat("d/f").mode, uint32_t{S_IFREG | 0644});
  EXPECT_EQ(Stat("d/e").gid, 55U);
  EXPECT_EQ(Stat("d/e").mode, uint32_t{S_IFDIR | 02755});
  EXPECT_EQ(Stat("d/l").gid, 55U);
  const auto temporary = mounted_.fs().MakeTemporary(mounted_.op(), *mounted_.Find("d"), 0600);
  EXPECT_EQ(temporary->gid, 55U);
}

TEST_F(InodeCreationTest, DefaultAclTakesTheUmasksPlace) {
  SetDefaultAcl("u::rwx u:7:rwx g::r-x m::rwx o::r-x");
  ASSERT_TRUE(mounted_.Create("d/f", 0666));
  EXPECT_EQ(Stat("d/f").mode, uint32_t{S_IFREG | 0664});  // 022 played no part
  EXPECT_EQ(Xattr("d/f", kAccessAclName), AclValue("u::rw- u:7:rwx g::r-x m::rw- o::r--"));
  EXPECT_EQ(Xattr("d/f", kDefaultAclName), "none");
  ASSERT_TRUE(mounted_.MakeDirectory("d/e", 0755));
  EXPECT_EQ(Xattr("d/e", kDefaultAclName), AclValue("u::rwx u:7:rwx g::r-x m::rwx o::r-x"));
  EXPECT_EQ(Xattr("d/e", kAccessAclName), AclValue("u::rwx u:7:rwx g::r-x m::r-x o::r-x"));
  ASSERT_TRUE(mounted_.Symlink("t", "d/l"));
  EXPECT_EQ(mounted_.fs().ListXattr(*mounted_.Find("d/l")).value_or("?"), "");
  mounted_.ExpectSound();
}

TEST_F(InodeCreationTest, DefaultAclThatIsAModeIsNotStoredAsAccessAcl) {
  SetDefaultAcl("u::rwx g::r-x o::---");
  ASSERT_TRUE(mounted_.Create("d/f", 0666));
  EXPECT_EQ(Stat("d/f").mode, uint32_t{S_IFREG | 0640});
  EXPECT_EQ(Xattr("d/f", kAccessAclName), "none");
  mounted_.ExpectSound();
}

}  // namespace
}  // namespace holdfast::fsmeta
