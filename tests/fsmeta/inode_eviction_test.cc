// SPDX-License-Identifier: Apache-2.0
// Deletion: in one transaction or in a chain, whole after every crash, beside other operations.
#include "fsmeta/inode_eviction.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

class InodeEvictionTest : public testing::Test {
 protected:
  Filesystem& fs() { return mounted_.fs(); }
  // A file of `n` extents that do not touch each other.
  Ino MakeSparse(const std::string& path, uint64_t n) {
    EXPECT_TRUE(mounted_.Create(path));
    const Ino ino = *mounted_.Find(path);
    const std::vector<std::byte> data(kBlockSize, std::byte{1});
    for (uint64_t i = 0; i < n; ++i) {
      EXPECT_TRUE(fs().Write(mounted_.op(), ino, i * 2 * kBlockSize, data, false));
    }
    return ino;
  }

  MountedFilesystem mounted_{uint64_t{32} << 20};
};

TEST_F(InodeEvictionTest, GivesEverythingBack) {
  MakeSparse("warm", 1000);  // trees of the groups have grown
  ASSERT_TRUE(mounted_.Unlink("warm"));
  const uint64_t free = mounted_.FreeBlocks();
  const uint64_t inodes = mounted_.FreeInodes();
  const Ino ino = MakeSparse("f", 1000);
  ASSERT_TRUE(fs().SetXattr(mounted_.op(), ino, "user.a", std::string(9000, 'x'), 0));
  ASSERT_TRUE(mounted_.Unlink("f"));
  EXPECT_EQ(ErrorOf(fs().GetAttributes(ino)), ESTALE);
  EXPECT_EQ(mounted_.FreeBlocks(), free);
  EXPECT_EQ(mounted_.FreeInodes(), inodes);
  mounted_.ExpectSound();
}

TEST_F(InodeEvictionTest, SymlinksDirectoriesAndManyAttributes) {
  const uint64_t free = mounted_.FreeBlocks();
  ASSERT_TRUE(mounted_.Symlink(std::string(1000, 't'), "l"));
  ASSERT_TRUE(mounted_.MakeDirectory("d"));
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(mounted_.Create("d/f" + std::to_string(i)));
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(mounted_.Unlink("d/f" + std::to_string(i)));
  const Ino d = *mounted_.Find("d");
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(
        fs().SetXattr(mounted_.op(), d, "user." + std::to_string(i), std::string(30000, 'x'), 0));
  }
  const uint64_t clusters = 16 * 3;  // the inode file grew for the files
  ASSERT_TRUE(mounted_.RemoveDirectory("d"));
  ASSERT_TRUE(mounted_.Unlink("l"));
  EXPECT_GE(mounted_.FreeBlocks() + clusters, free);
  mounted_.ExpectSound();
}

TEST_F(InodeEvictionTest, SoundAfterEveryLinkOfTheChain) {
  MakeSparse("f", 2000);
  int commits = 0;
  mounted_.volume().transactions().set_after_commit([&] {
    if (++commits % 10 == 0) mounted_.ExpectSound();
  });
  ASSERT_TRUE(mounted_.Unlink("f"));
  EXPECT_GT(commits, 5);  // it was a chain
}

TEST_F(InodeEvictionTest, ACrashInTheChainIsFinishedByTheNextMount) {
  MakeSparse("f", 2000);
  const uint64_t full = mounted_.FreeBlocks();
  int commits = 0;
  std::vector<std::byte> image;
  mounted_.volume().transactions().set_after_commit([&] {
    if (++commits == 5) image = mounted_.Image();
  });
  ASSERT_TRUE(mounted_.Unlink("f"));
  ASSERT_FALSE(image.empty());
  const uint64_t expected = mounted_.FreeBlocks();
  auto region = Region::InMemory(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  auto fs = Filesystem::Mount(std::move(region), {});
  ASSERT_TRUE(fs);
  EXPECT_LT((*fs)->GetStatFs()->free, expected);
  EXPECT_GT((*fs)->GetStatFs()->free, full);
  ASSERT_TRUE((*fs)->FinishOrphans());
  EXPECT_EQ((*fs)->GetStatFs()->free, expected);
  EXPECT_TRUE((*fs)->FinishOrphans());  // nothing left
}

TEST_F(InodeEvictionTest, OthersGoOnMeanwhile) {
  const Ino big = MakeSparse("big", 3000);
  ASSERT_TRUE(mounted_.Create("other"));
  const Ino other = *mounted_.Find("other");
  ASSERT_TRUE(fs().AddLookup(big));
  ASSERT_TRUE(fs().AddLookup(other));
  ASSERT_TRUE(mounted_.Unlink("big"));
  std::atomic<bool> deleted = false;
  std::atomic<int> between = 0;
  // Each commit of the deletion lets one operation of the other thread by.
  std::atomic<int> done = 0;
  std::thread busy([&] {
    OpContext op;
    while (!deleted) {
      ASSERT_TRUE(fs().SetAttributes(op, other, {.mode = 0600}));
      ++done;
    }
  });
  while (done == 0) std::this_thread::yield();
  const int before = done;
  fs().Forget(big, 1);
  between = done - before;
  deleted = true;
  busy.join();
  EXPECT_EQ(ErrorOf(fs().GetAttributes(big)), ESTALE);
  EXPECT_GE(between, 0);
  mounted_.ExpectSound();
  fs().Forget(other, 1);
}

TEST_F(InodeEvictionTest, NothingIsWrittenWhereNothingMay) {
  ASSERT_TRUE(mounted_.Create("f"));
  ASSERT_TRUE(mounted_.fs().Open(*mounted_.Find("f")));
  const Ino f = *mounted_.Find("f");
  ASSERT_TRUE(mounted_.Unlink("f"));
  mounted_.options().read_only = true;
  mounted_.Crash();
  const auto image = mounted_.Image();
  EXPECT_TRUE(fs().FinishOrphans());
  EXPECT_TRUE(fs().GetAttributes(f));
  mounted_.List("");
  EXPECT_EQ(mounted_.Image(), image);
}

TEST_F(InodeEvictionTest, ANamedInodeIsNotDeleted) {
  ASSERT_TRUE(mounted_.Create("f"));
  const InodeRef f = mounted_.volume().live().Get(*mounted_.Find("f"));
  ASSERT_TRUE(DeleteInode(mounted_.volume(), *f));
  EXPECT_TRUE(mounted_.Stat("f"));
}

}  // namespace
}  // namespace holdfast::fsmeta
