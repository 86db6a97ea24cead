// SPDX-License-Identifier: Apache-2.0
// Access control lists: what is one, and how they and mode bits follow each other.
#include "fsmeta/posix_acl.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "tests/support/acl_text.h"
#include "tests/support/error_of.h"

namespace holdfast::fsmeta {
namespace {

using tests::AclValue;

PosixAcl Parse(std::string_view text) {
  auto acl = PosixAcl::Parse(AclValue(text));
  EXPECT_TRUE(acl) << text;
  return acl.value_or(PosixAcl());
}

int ParseError(const std::string& value) { return tests::ErrorOf(PosixAcl::Parse(value)); }

TEST(PosixAclTest, ParsesAndSerializesTheKernelsFormat) {
  const std::string value = AclValue("u::rw- u:1000:r-- g::r-x g:50:rwx m::rwx o::---");
  const auto acl = PosixAcl::Parse(value);
  ASSERT_TRUE(acl);
  EXPECT_EQ(acl->Serialize(), value);
  EXPECT_FALSE(acl->IsModeOnly());
  EXPECT_EQ(acl->Permissions(), 0670U);  // the mask stands for the group class
}

TEST(PosixAclTest, ModeOnlyListsAreRecognized) {
  const PosixAcl acl = Parse("u::rwx g::r-x o::--x");
  EXPECT_TRUE(acl.IsModeOnly());
  EXPECT_EQ(acl.Permissions(), 0751U);
  EXPECT_FALSE(Parse("u::rwx g::r-x m::rwx o::--x").IsModeOnly());
}

TEST(PosixAclTest, NoEntriesMeansNone) {
  const auto acl = PosixAcl::Parse(AclValue(""));
  ASSERT_TRUE(acl);
  EXPECT_TRUE(acl->empty());
}

TEST(PosixAclTest, RefusesWhatIsNoList) {
  EXPECT_EQ(ParseError(""), EINVAL);
  EXPECT_EQ(ParseError("abc"), EINVAL);
  EXPECT_EQ(ParseError(AclValue("u::rwx g::r-x o::--x") + "x"), EINVAL);
  std::string version = AclValue("u::rwx g::r-x o::--x");
  version[0] = 1;
  EXPECT_EQ(ParseError(version), EOPNOTSUPP);
  for (const char* text : {
           "u::rwx g::r-x",                                 // nobody else
           "g::r-x o::--x",                                 // no owner
           "u::rwx o::--x",                                 // no group
           "u::rwx u::rwx g::r-x o::--x",                   // two owners
           "u::rwx g::r-x g::r-x o::--x",                   // two groups
           "u::rwx u:5:r-- g::r-x o::--x",                  // named, but no mask
           "u::rwx g::r-x g:5:r-- o::--x",                  // named, but no mask
           "g::r-x u::rwx o::--x",                          // out of order
           "u::rwx g::r-x o::--x m::rwx",                   // out of order
           "u::rwx g::r-x m::rwx m::rwx o::--x",            // two masks
           "u::rwx u:4294967295:r-- g::r-x m::r-- o::--x",  // no such user
       }) {
    EXPECT_EQ(ParseError(AclValue(text)), EINVAL) << text;
  }
  std::string unknown_tag = AclValue("u::rwx g::r-x o::--x");
  unknown_tag[4] = 3;
  EXPECT_EQ(ParseError(unknown_tag), EINVAL);
  std::string permissions = AclValue("u::rwx g::r-x o::--x");
  permissions[6] = 9;
  EXPECT_EQ(ParseError(permissions), EINVAL);
}

TEST(PosixAclTest, ChmodSetsOwnerMaskAndOthers) {
  PosixAcl acl = Parse("u::rw- u:1000:rwx g::r-x m::rwx o::---");
  acl.SetPermissions(0751);
  EXPECT_EQ(acl.Serialize(), AclValue("u::rwx u:1000:rwx g::r-x m::r-x o::--x"));
  PosixAcl plain = Parse("u::rw- g::r-- o::---");
  plain.SetPermissions(0751);
  EXPECT_EQ(plain.Serialize(), AclValue("u::rwx g::r-x o::--x"));
}

TEST(PosixAclTest, InheritingTakesWhatBothAllow) {
  PosixAcl acl = Parse("u::rwx u:1000:rwx g::r-x m::rwx o::r-x");
  EXPECT_EQ(acl.InheritWith(S_IFREG | S_ISGID | 0664), uint32_t{S_IFREG | S_ISGID | 0664});
  EXPECT_EQ(acl.Serialize(), AclValue("u::rw- u:1000:rwx g::r-x m::rw- o::r--"));
  PosixAcl plain = Parse("u::rwx g::r-x o::---");
  EXPECT_EQ(plain.InheritWith(S_IFREG | 0666), uint32_t{S_IFREG | 0640});
  EXPECT_EQ(plain.Serialize(), AclValue("u::rw- g::r-- o::---"));
}

}  // namespace
}  // namespace holdfast::fsmeta
