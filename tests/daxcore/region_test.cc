// SPDX-License-Identifier: Apache-2.0
// Opening, owning, mapping and releasing regions.
#include "daxcore/region.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/scratch_dir.h"

namespace holdfast::daxcore {
namespace {

using ::testing::HasSubstr;
using tests::ScratchDir;

constexpr uint64_t kSize = 1 << 20;
constexpr RegionOptions kImpatient{.owner_wait = std::chrono::milliseconds(0)};

// On tmpfs and on an ordinary filesystem.
class RegionOn : public testing::TestWithParam<const char*> {
 protected:
  ScratchDir dir_{GetParam()};
  std::string path_ = dir_ / "region";
};
INSTANTIATE_TEST_SUITE_P(Media, RegionOn, testing::Values("/dev/shm", "/tmp"));

TEST_P(RegionOn, KeepsBytesOverReopening) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  {
    auto region = Region::Open(path_, {});
    ASSERT_TRUE(region) << region.error().Text();
    EXPECT_EQ((*region)->size(), kSize);
    EXPECT_EQ((*region)->blocks(), BlockCount(kSize / kBlockSize));
    (*region)->persist().CopyNt((*region)->Target(5000), "hold", 4);
    (*region)->persist().Store((*region)->Target(8192), "fast", 4);
    (*region)->persist().PersistRange((*region)->At(8192), 4);
    ASSERT_TRUE((*region)->Release());
  }
  auto region = Region::Open(path_, {.read_only = true});
  ASSERT_TRUE(region) << region.error().Text();
  EXPECT_EQ(std::memcmp((*region)->At(5000), "hold", 4), 0);
  EXPECT_EQ(std::memcmp((*region)->At(Pfn(2)), "fast", 4), 0);
}

TEST_P(RegionOn, EmulationIsCacheLineGranularAndHasNoBadRanges) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto region = Region::Open(path_, {});
  ASSERT_TRUE(region) << region.error().Text();
  EXPECT_EQ((*region)->facts().kind, RegionKind::kEmulated);
  EXPECT_EQ((*region)->facts().granularity, "cache line");
  EXPECT_FALSE((*region)->facts().unsafe_shutdowns_known);
  EXPECT_TRUE((*region)->BadRanges()->empty());
  EXPECT_TRUE((*region)->DeepFlush(100, kSize - 100));
  EXPECT_EQ((*region)->DeepFlush(100, kSize).error().code, ERANGE);
}

TEST_P(RegionOn, IsFullyAllocatedAndPrivateToItsOwner) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_GE(static_cast<uint64_t>(file.st_blocks) * 512, kSize);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
}

TEST_P(RegionOn, HolesOfACopiedRegionAreFilledAtOpen) {
  {
    std::ofstream(path_).put('x');
  }
  ASSERT_EQ(truncate(path_.c_str(), kSize), 0);
  ASSERT_TRUE(Region::Open(path_, {}));
  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_GE(static_cast<uint64_t>(file.st_blocks) * 512, kSize);
}

TEST_P(RegionOn, O1_SecondOwnerIsRefusedAndNamesTheFirst) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto owner = Region::Open(path_, {});
  ASSERT_TRUE(owner);
  auto second = Region::Open(path_, kImpatient);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EBUSY);
  EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(getpid())));
  EXPECT_THAT(second.error().message, HasSubstr(path_));
  // The refusal changed nothing: the owner still owns.
  EXPECT_EQ(Region::Open(path_, kImpatient).error().code, EBUSY);
}

TEST_P(RegionOn, O1_ReaderIsRefusedUnlessItOnlyLooks) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto owner = Region::Open(path_, {});
  RegionOptions reader = kImpatient;
  reader.read_only = true;
  EXPECT_EQ(Region::Open(path_, reader).error().code, EBUSY);
  reader.ignore_owner = true;
  EXPECT_TRUE(Region::Open(path_, reader));
  ASSERT_TRUE((*owner)->Release());
  reader.ignore_owner = false;
  auto first_reader = Region::Open(path_, reader);
  auto second_reader = Region::Open(path_, reader);
  EXPECT_TRUE(first_reader);
  EXPECT_TRUE(second_reader);
  EXPECT_EQ(Region::Open(path_, kImpatient).error().code, EBUSY);
}

TEST_P(RegionOn, O1_RecreatingAnOwnedRegionIsRefused) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto owner = Region::Open(path_, {});
  (*owner)->persist().CopyNt((*owner)->Target(0), "mine", 4);
  auto again = Region::CreateEmulatedFile(path_, 2 * kSize, true);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, EBUSY);
  EXPECT_EQ(std::memcmp((*owner)->At(0), "mine", 4), 0);
  EXPECT_EQ(std::filesystem::file_size(path_), kSize);
}

TEST_P(RegionOn, O1_ReleaseByAnybodyElseIsRefused) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto owner = Region::Open(path_, {});
  const pid_t child = fork();
  if (child == 0) {
    auto released = (*owner)->Release();
    _exit(!released && released.error().code == EPERM ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Region::Open(path_, kImpatient).error().code, EBUSY);
  EXPECT_TRUE((*owner)->Release());
  EXPECT_TRUE(Region::Open(path_, kImpatient));
}

TEST_P(RegionOn, O1_ShrinkingOrExchangingTheFileIsNoticedAtRelease) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  auto shrunk = Region::Open(path_, {});
  ASSERT_EQ(truncate(path_.c_str(), kSize / 2), 0);
  EXPECT_EQ((*shrunk)->Release().error().code, EIO);
  auto exchanged = Region::Open(path_, {});
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ((*exchanged)->Release().error().code, EIO);
}

TEST_P(RegionOn, WaitsForAnOwnerThatIsGoingAway) {
  ASSERT_TRUE(Region::CreateEmulatedFile(path_, kSize, false));
  int ready[2], leave[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(leave), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(leave[1]);
    auto region = Region::Open(path_, {});
    char c = 'r';
    if (write(ready[1], &c, 1) != 1) _exit(1);
    while (read(leave[0], &c, 1) > 0) continue;
    _exit(0);
  }
  char c;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  std::thread killer([&] { close(leave[1]); });
  auto region = Region::Open(path_, {.owner_wait = std::chrono::seconds(60)});
  EXPECT_TRUE(region) << region.error().Text();
  killer.join();
  waitpid(child, nullptr, 0);
}

TEST(Region, RefusesPlainFilesUnlessEmulated) {
  ScratchDir dir;
  ASSERT_TRUE(Region::CreateEmulatedFile(dir / "r", kSize, false));
  auto region = Region::Open(dir / "r", {.allow_emulated = false});
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().code, EOPNOTSUPP);
  EXPECT_THAT(region.error().message, HasSubstr("--emulate"));
  EXPECT_TRUE(Region::Open(dir / "r", kImpatient)) << "the refusal must leave no lock";
}

TEST(Region, RefusesWhatCannotBeARegion) {
  ScratchDir dir;
  EXPECT_EQ(Region::Open(dir / "none", {}).error().code, ENOENT);
  EXPECT_EQ(Region::Open("/dev", {.read_only = true}).error().code, EINVAL);
  EXPECT_THAT(Region::Open("/dev/null", {}).error().message, HasSubstr("neither a devdax"));
  {
    std::ofstream(dir / "small") << "few bytes";
  }
  auto small = Region::Open(dir / "small", {});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code, EINVAL);
  EXPECT_THAT(small.error().message, HasSubstr("too small"));
}

TEST(Region, InMemoryIsZeroedAndWritable) {
  auto region = Region::InMemory(kSize);
  EXPECT_EQ(region->facts().kind, RegionKind::kMemory);
  EXPECT_EQ(*region->At(kSize - 1), std::byte{0});
  region->persist().CopyNt(region->Target(kSize - 1), "z", 1);
  EXPECT_EQ(*region->At(kSize - 1), std::byte{'z'});
  EXPECT_EQ(region->OffsetOf(region->At(77)), 77U);
}

// Each mapping that libpmem2 knows costs a thread-specific key for good.
TEST(Region, ThereMayBeMoreRegionsThanThreadSpecificKeys) {
  for (int n = 0; n < PTHREAD_KEYS_MAX; ++n) {
    auto region = Region::InMemory(kBlockSize);
    region->persist().CopyNt(region->Target(0), "x", 1);
    ASSERT_EQ(*region->base(), std::byte{'x'});
  }
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, nullptr), 0);
  pthread_key_delete(key);
}

TEST(Region, RemapKeepsStoredBytes) {
  auto region = Region::InMemory(kSize);
  region->persist().CopyNt(region->Target(4096), "kept", 4);
  ASSERT_TRUE(region->Remap({4096, 4096}));
  EXPECT_EQ(std::memcmp(region->At(4096), "kept", 4), 0);
}

TEST(Region, BootIdIsTheKernels) {
  EXPECT_NE(CurrentBootId(), (std::array<uint8_t, 16>{}));
  EXPECT_EQ(CurrentBootId(), CurrentBootId());
}

}  // namespace
}  // namespace holdfast::daxcore
