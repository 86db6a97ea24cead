// SPDX-License-Identifier: Apache-2.0
// Targets of every length, in the slot or in a block.
#include "fsmeta/symlink.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

class SymlinkTest : public testing::Test {
 protected:
  void Damage(std::string_view path, std::function<void(InodeSlot*)> change) {
    const Ino ino = *mounted_.Find(path);
    Volume& volume = mounted_.volume();
    ASSERT_TRUE(volume.transactions().Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, volume.inodes().Edit(tx, ino));
      change(slot);
      return {};
    }));
  }
  MountedFilesystem mounted_;
};

TEST_F(SymlinkTest, KeepTargetsOfAnyLength) {
  for (const size_t length : {1, 255, 256, 257, 1000, 4095}) {
    const std::string target(length, static_cast<char>('a' + length % 26));
    const std::string name = "l" + std::to_string(length);
    ASSERT_TRUE(mounted_.Symlink(target, name)) << length;
    EXPECT_EQ(mounted_.ReadSymlink(name).value_or(""), target);
    EXPECT_EQ(mounted_.Stat(name)->size, length);
    EXPECT_EQ(mounted_.Stat(name)->mode, uint32_t{S_IFLNK | 0777});
    EXPECT_EQ(mounted_.Stat(name)->blocks, length <= kInlineBytes ? 0U : 8U);
  }
  mounted_.ExpectSound();
  mounted_.Remount();
  EXPECT_EQ(mounted_.ReadSymlink("l4095")->size(), 4095U);
  const uint64_t free = mounted_.FreeBlocks();
  ASSERT_TRUE(mounted_.Unlink("l4095"));
  EXPECT_EQ(mounted_.FreeBlocks(), free + 1);
}

TEST_F(SymlinkTest, RefusesWhatIsNoTarget) {
  EXPECT_EQ(ErrorOf(mounted_.Symlink("", "l")), ENOENT);
  EXPECT_EQ(ErrorOf(mounted_.Symlink(std::string(4096, 'x'), "l")), ENAMETOOLONG);
  EXPECT_EQ(ErrorOf(mounted_.Symlink(std::string_view("a\0b", 3), "l")), EINVAL);
  ASSERT_TRUE(mounted_.Create("file"));
  EXPECT_EQ(ErrorOf(mounted_.ReadSymlink("file")), EINVAL);
  EXPECT_EQ(ErrorOf(mounted_.ReadSymlink("")), EINVAL);
}

TEST_F(SymlinkTest, DamagedOnesAreEuclean) {
  ASSERT_TRUE(mounted_.Symlink("short", "s"));
  ASSERT_TRUE(mounted_.Symlink(std::string(1000, 'x'), "l"));
  Damage("s", [](InodeSlot* slot) { slot->size = 257; });
  EXPECT_EQ(ErrorOf(mounted_.ReadSymlink("s")), EUCLEAN);
  Damage("l", [](InodeSlot* slot) { slot->size = 1'000'000; });
  EXPECT_EQ(ErrorOf(mounted_.ReadSymlink("l")), EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
