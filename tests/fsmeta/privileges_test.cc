// SPDX-License-Identifier: Apache-2.0
// What writing takes away.
#include "fsmeta/privileges.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "fsmeta/volume.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::MountedFilesystem;

class PrivilegesTest : public testing::Test {
 protected:
  PrivilegesTest() {
    EXPECT_TRUE(mounted_.Create("f"));
    f_ = *mounted_.Find("f");
  }
  void SetMode(uint32_t mode) {
    ASSERT_TRUE(mounted_.fs().SetAttributes(mounted_.op(), f_, {.mode = mode}));
  }
  bool Has(bool kill) {
    const auto slot = mounted_.volume().inodes().Read(mounted_.volume().medium(), f_);
    const auto has = HasPrivileges(mounted_.volume(), mounted_.volume().medium(), **slot, kill);
    EXPECT_TRUE(has);
    return has.value_or(false);
  }
  uint32_t Drop(bool kill) {
    Volume& volume = mounted_.volume();
    EXPECT_TRUE(volume.transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, f_));
      return DropPrivileges(volume, tx, slot, kill);
    }));
    return mounted_.Stat("f")->mode & 07777;
  }

  MountedFilesystem mounted_;
  Ino f_{0};
};

TEST_F(PrivilegesTest, SetIdsGoWhereTheCallerMayNotKeepThem) {
  SetMode(06755);
  EXPECT_TRUE(Has(true));
  EXPECT_FALSE(Has(false));
  EXPECT_EQ(Drop(false), 06755U);
  EXPECT_EQ(Drop(true), 0755U);
  EXPECT_FALSE(Has(true));
}

TEST_F(PrivilegesTest, SgidStaysWithoutGroupExecute) {
  SetMode(06745);
  EXPECT_EQ(Drop(true), 02745U);
  EXPECT_FALSE(Has(true));
}

TEST_F(PrivilegesTest, CapabilitiesGoWhoeverWrites) {
  ASSERT_TRUE(mounted_.fs().SetXattr(mounted_.op(), f_, "security.capability", "x", 0));
  ASSERT_TRUE(mounted_.fs().SetXattr(mounted_.op(), f_, "user.kept", "x", 0));
  EXPECT_TRUE(Has(false));
  Drop(false);
  EXPECT_FALSE(Has(true));
  EXPECT_EQ(mounted_.fs().ListXattr(f_).value_or(""), std::string("user.kept\0", 10));
}

}  // namespace
}  // namespace holdfast::fsmeta
