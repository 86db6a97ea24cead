// SPDX-License-Identifier: Apache-2.0
// Lists beside the mode, at the level of one slot.
#include "fsmeta/acl_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "fsmeta/posix_acl.h"
#include "tests/support/acl_text.h"
#include "tests/support/error_of.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using tests::AclValue;
using tests::ErrorOf;

class AclStoreTest : public testing::Test {
 protected:
  AclStoreTest() {
    slot_.header.owner = 100;
    slot_.mode = S_IFREG | 0644;
  }
  template <typename F>
  int Run(F body) {
    return ErrorOf(parts_.runner().Run([&](Transaction& tx) -> Result<void> { return body(tx); }));
  }
  int SetAccess(std::string_view value) {
    return Run([&](Transaction& tx) { return acls_.SetAccess(tx, &slot_, value); });
  }
  bool Stored(std::string_view name) {
    return xattrs_.Contains(parts_.medium(), slot_, name).value_or(false);
  }

  tests::FormattedMedium parts_;
  Allocator allocator_{parts_.medium()};
  XattrStore xattrs_{allocator_};
  AclStore acls_{xattrs_};
  InodeSlot slot_{};
};

TEST_F(AclStoreTest, FlagTellsWhetherAListIsStored) {
  ASSERT_EQ(SetAccess(AclValue("u::rw- u:7:r-- g::r-- m::r-- o::---")), 0);
  EXPECT_EQ(slot_.flags & kInodeHasAcl, kInodeHasAcl);
  EXPECT_TRUE(Stored(kAccessAclName));
  ASSERT_EQ(SetAccess(AclValue("u::rw- g::r-- o::---")), 0);
  EXPECT_EQ(slot_.flags & kInodeHasAcl, 0U);
  EXPECT_FALSE(Stored(kAccessAclName));
  EXPECT_EQ(slot_.mode, uint32_t{S_IFREG | 0640});
  EXPECT_EQ(slot_.xattr_block, 0U);
}

TEST_F(AclStoreTest, ModeKeepsTypeAndSetIdBits) {
  slot_.mode = S_IFREG | 06644;
  ASSERT_EQ(SetAccess(AclValue("u::rwx g::--- o::---")), 0);
  EXPECT_EQ(slot_.mode, uint32_t{S_IFREG | 06700});
  ASSERT_EQ(Run([&](Transaction& tx) { return acls_.ChangeMode(tx, &slot_, 01755); }), 0);
  EXPECT_EQ(slot_.mode, uint32_t{S_IFREG | 01755});
}

TEST_F(AclStoreTest, SymlinksHaveNone) {
  slot_.mode = S_IFLNK | 0777;
  EXPECT_EQ(SetAccess(AclValue("u::rwx g::--- o::---")), EOPNOTSUPP);
}

TEST_F(AclStoreTest, StoredListThatIsNoneIsEuclean) {
  slot_.flags |= kInodeHasAcl;
  for (const std::string& value : {std::string("garbage"), AclValue("")}) {
    ASSERT_EQ(
        Run([&](Transaction& tx) { return xattrs_.Write(tx, &slot_, kAccessAclName, value); }), 0);
    EXPECT_EQ(Run([&](Transaction& tx) { return acls_.ChangeMode(tx, &slot_, 0600); }), EUCLEAN);
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
