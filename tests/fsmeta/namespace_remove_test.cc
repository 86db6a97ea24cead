// SPDX-License-Identifier: Apache-2.0
// Removing names: what stays while somebody uses it, and that it works when nothing else does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "fsmeta/namespace.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

class NamespaceRemoveTest : public testing::Test {
 protected:
  Filesystem& fs() { return mounted_.fs(); }
  OpContext& op() { return mounted_.op(); }
  static constexpr Ino kRoot{kInoRoot};

  MountedFilesystem mounted_;
};

TEST_F(NamespaceRemoveTest, ErrorsByWhatIsThere) {
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  ASSERT_TRUE(mounted_.Create("d/f"));
  EXPECT_EQ(ErrorOf(mounted_.Unlink("none")), ENOENT);
  EXPECT_EQ(ErrorOf(mounted_.RemoveDirectory("none")), ENOENT);
  EXPECT_EQ(ErrorOf(mounted_.Unlink("d")), EISDIR);
  EXPECT_EQ(ErrorOf(mounted_.RemoveDirectory("d/f")), ENOTDIR);
  EXPECT_EQ(ErrorOf(mounted_.RemoveDirectory("d")), ENOTEMPTY);
  EXPECT_EQ(ErrorOf(mounted_.RemoveDirectory("d/.")), EINVAL);
  EXPECT_EQ(ErrorOf(mounted_.RemoveDirectory("d/..")), ENOTEMPTY);
  EXPECT_EQ(ErrorOf(mounted_.Unlink("d/..")), EISDIR);
  EXPECT_EQ(ErrorOf(mounted_.Unlink("d/f/x")), ENOTDIR);
  EXPECT_EQ(ErrorOf(mounted_.Unlink(std::string(256, 'x'))), ENAMETOOLONG);
  ASSERT_TRUE(mounted_.Unlink("d/f"));
  ASSERT_TRUE(mounted_.RemoveDirectory("d"));
  EXPECT_EQ(mounted_.Stat("")->nlink, 2U);
  mounted_.ExpectSound();
}

TEST_F(NamespaceRemoveTest, UnlinkedFileLivesWhileItIsOpen) {
  ASSERT_TRUE(mounted_.Create("f"));
  const Ino f = *mounted_.Find("f");
  const uint64_t blocks = mounted_.FreeBlocks();
  const std::vector<std::byte> data(10000, std::byte{7});
  ASSERT_TRUE(fs().Open(f));
  ASSERT_TRUE(fs().Write(op(), f, 0, data, false));
  ASSERT_TRUE(mounted_.Unlink("f"));
  EXPECT_EQ(ErrorOf(mounted_.Stat("f")), ENOENT);
  EXPECT_EQ(fs().GetAttributes(f)->nlink, 0U);
  EXPECT_EQ(fs().GetAttributes(f)->size, data.size());
  EXPECT_LT(mounted_.FreeBlocks(), blocks);
  mounted_.ExpectSound();
  fs().Release(f);
  EXPECT_EQ(ErrorOf(fs().GetAttributes(f)), ESTALE);
  EXPECT_EQ(mounted_.FreeBlocks(), blocks);
  mounted_.ExpectSound();
}

TEST_F(NamespaceRemoveTest, NumbersAreUsedAgainWithAnotherGeneration) {
  const auto first = fs().MakeNode(op(), kRoot, "a", S_IFREG | 0600, 0);
  ASSERT_TRUE(first);
  ASSERT_TRUE(mounted_.Unlink("a"));
  fs().Forget(first->ino, 1);
  for (int i = 0; i < 500; ++i) {
    const auto again = fs().MakeNode(op(), kRoot, "b" + std::to_string(i), S_IFREG | 0600, 0);
    ASSERT_TRUE(again);
    if (again->ino != first->ino) continue;
    EXPECT_GT(again->generation, first->generation);
    return;
  }
  FAIL() << "inode " << first->ino.value() << " was not used again";
}

TEST_F(NamespaceRemoveTest, OpenUnlinkedFileOfACrashIsDeletedAtTheNextMount) {
  ASSERT_TRUE(mounted_.Create("f"));
  const Ino f = *mounted_.Find("f");
  const uint64_t blocks = mounted_.FreeBlocks();
  const std::vector<std::byte> data(100000, std::byte{7});
  ASSERT_TRUE(fs().Open(f));
  ASSERT_TRUE(fs().Write(op(), f, 0, data, false));
  ASSERT_TRUE(mounted_.Unlink("f"));
  mounted_.Crash();
  EXPECT_LT(mounted_.FreeBlocks(), blocks);
  ASSERT_TRUE(fs().FinishOrphans());
  EXPECT_EQ(mounted_.FreeBlocks(), blocks);
  EXPECT_EQ(ErrorOf(fs().GetAttributes(f)), ESTALE);
  mounted_.ExpectSound();
}

TEST_F(NamespaceRemoveTest, RemovingWorksOnAFullRegion) {
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(mounted_.Create(std::string(100, 'n') + std::to_string(i)));
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  mounted_.FillUp();
  // Fill what metadata may still take, too.
  int n = 0;
  while (mounted_.MakeDirectory("x" + std::to_string(n)) &&
         mounted_.Create("x" + std::to_string(n) + "/f")) {
    ++n;
  }
  mounted_.ExpectSound();
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(mounted_.Unlink(std::string(100, 'n') + std::to_string(i))) << i;
  ASSERT_TRUE(mounted_.RemoveDirectory("d"));
  ASSERT_TRUE(mounted_.Unlink("hog"));
  EXPECT_TRUE(mounted_.Create("room"));
  mounted_.ExpectSound();
}

TEST_F(NamespaceRemoveTest, ManyComeAndGo) {
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(mounted_.Create("f" + std::to_string(i)));
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(mounted_.Unlink("f" + std::to_string(i)));
  EXPECT_TRUE(mounted_.List("").empty());
  EXPECT_EQ(mounted_.Stat("")->size, kBlockSize);
  EXPECT_EQ(mounted_.volume().live().size(), 0U);
  mounted_.ExpectSound();
}

TEST_F(NamespaceRemoveTest, OneOfManyThreadsRemovesAName) {
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(mounted_.Create("f"));
    std::atomic<int> removed = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        OpContext mine;
        const auto done = fs().Unlink(mine, kRoot, "f");
        removed += done ? 1 : 0;
        EXPECT_TRUE(done || done.error().code == ENOENT);
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(removed, 1);
  }
  EXPECT_EQ(mounted_.volume().live().size(), 0U);
  mounted_.ExpectSound();
}

}  // namespace
}  // namespace holdfast::fsmeta
