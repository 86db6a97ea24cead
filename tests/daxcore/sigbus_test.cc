// SPDX-License-Identifier: Apache-2.0
// SIGBUS: survived inside watched memory, fatal as ever outside of it.
#include "daxcore/sigbus.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "daxcore/poison.h"

namespace holdfast::daxcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kPage = 4096;
constexpr size_t kSize = 16 * kPage;

// A mapped file of ones, watched.
class SigbusTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    fd_ = memfd_create("sigbus-test", MFD_CLOEXEC);
    ASSERT_EQ(ftruncate(fd_, kSize), 0);
    void* map = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    ASSERT_NE(map, MAP_FAILED);
    memory_.base = static_cast<std::byte*>(map);
    memory_.size = kSize;
    memory_.event_fd = eventfd(0, EFD_NONBLOCK);
    std::memset(memory_.base, 1, kSize);
    ASSERT_TRUE(WatchMemory(&memory_));
  }
  void TearDown() override {
    UnwatchMemory(&memory_);
    munmap(memory_.base, kSize);
    if (memory_.alias != nullptr) munmap(memory_.alias, kSize);
    close(memory_.event_fd);
    close(fd_);
  }
  void MapAlias() {
    void* map = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    ASSERT_NE(map, MAP_FAILED);
    memory_.alias = static_cast<std::byte*>(map);
  }
  // With and without userfaultfd.
  void Poison(size_t page, size_t pages = 1) {
    std::byte* const start = memory_.base + page * kPage;
    if (GetParam()) {
      if (!internal::PoisonByUserfault(start, pages * kPage)) GTEST_SKIP() << "no UFFDIO_POISON";
    } else {
      ASSERT_TRUE(internal::PoisonByEmptyFile(start, pages * kPage));
    }
  }
  std::byte Load(size_t page) {
    return *static_cast<volatile std::byte*>(memory_.base + page * kPage);
  }

  int fd_ = -1;
  WatchedMemory memory_;
};
INSTANTIATE_TEST_SUITE_P(Userfault, SigbusTest, testing::Bool());

TEST_P(SigbusTest, F1_AGuardedTouchOfABadPageEndsThere) {
  Poison(3);
  char buffer[2 * kPage];
  EXPECT_FALSE(RunGuarded([&] { std::memcpy(buffer, memory_.base + 2 * kPage, 2 * kPage); }));
  EXPECT_THAT(memory_.met.Take(), ElementsAre(3));
  EXPECT_EQ(memory_.poisoned_loads, 0U);
  EXPECT_TRUE(RunGuarded([&] { std::memcpy(buffer, memory_.base + 2 * kPage, kPage); }));
  EXPECT_EQ(buffer[0], 1);
}

TEST_P(SigbusTest, F1_GuardsSurviveManyFaultsOnManyThreads) {
  Poison(1);
  std::vector<std::thread> threads;
  std::atomic<int> caught{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      char c;
      for (int i = 0; i < 1000; ++i) {
        caught += !RunGuarded([&] { std::memcpy(&c, memory_.base + kPage + i, 1); });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(caught, 4000);
}

TEST_P(SigbusTest, F1_GuardsNest) {
  Poison(1);
  char c;
  bool inner = true;
  const bool outer = RunGuarded([&] {
    inner = RunGuarded([&] { std::memcpy(&c, memory_.base + kPage, 1); });
    std::memcpy(&c, memory_.base + kPage, 1);
  });
  EXPECT_FALSE(inner);
  EXPECT_FALSE(outer);
}

TEST_P(SigbusTest, F1_AStoreToABadPageIsCaughtToo) {
  Poison(2);
  EXPECT_FALSE(RunGuarded([&] { std::memset(memory_.base + 2 * kPage, 7, 1); }));
}

TEST_P(SigbusTest, F1_APlainLoadReadsZeroesAndIsRemembered) {
  Poison(5);
  EXPECT_EQ(Load(4), std::byte{1});
  EXPECT_EQ(Load(5), std::byte{0});
  EXPECT_EQ(Load(6), std::byte{1});
  EXPECT_EQ(memory_.poisoned_loads, 1U);
  EXPECT_THAT(memory_.met.Take(), ElementsAre(5));
  EXPECT_EQ(Load(5), std::byte{0});
  EXPECT_EQ(memory_.poisoned_loads, 1U) << "covered";
}

TEST_P(SigbusTest, F1_TheKernelsOwnCopyIsEfault) {
  Poison(2);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  EXPECT_EQ(write(fds[1], memory_.base + 2 * kPage, 100), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(write(fds[1], memory_.base + kPage, 100), 100);
  close(fds[0]);
  close(fds[1]);
}

TEST_P(SigbusTest, TheEventFdTells) {
  Poison(2);
  uint64_t count = 0;
  EXPECT_EQ(read(memory_.event_fd, &count, sizeof(count)), -1);
  Load(2);
  EXPECT_EQ(read(memory_.event_fd, &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
}

TEST_P(SigbusTest, PoisonCoversExactlyItsPages) {
  Poison(4, 3);
  char c;
  for (size_t page = 0; page < kSize / kPage; ++page) {
    const bool bad = page >= 4 && page < 7;
    EXPECT_EQ(!RunGuarded([&] { std::memcpy(&c, memory_.base + page * kPage, 1); }), bad) << page;
    EXPECT_EQ(!RunGuarded([&] { std::memcpy(&c, memory_.base + page * kPage + 4095, 1); }), bad);
  }
}

TEST_P(SigbusTest, BothMappingsOfABadPageGetTheSameZeroes) {
  MapAlias();
  Poison(5);
  EXPECT_EQ(Load(5), std::byte{0});
  EXPECT_EQ(memory_.alias[5 * kPage], std::byte{0});
  std::memset(memory_.alias + 5 * kPage, 7, 1);
  EXPECT_EQ(Load(5), std::byte{7});
  EXPECT_EQ(memory_.alias[6 * kPage], std::byte{1});
  EXPECT_EQ(memory_.poisoned_loads, 1U);
}

TEST_P(SigbusTest, ABadPageMetThroughTheAliasIsThePageItself) {
  MapAlias();
  ASSERT_TRUE(internal::PoisonByEmptyFile(memory_.alias + 3 * kPage, kPage));
  EXPECT_FALSE(RunGuarded([&] { std::memset(memory_.alias + 3 * kPage, 7, 1); }));
  EXPECT_THAT(memory_.met.Take(), ElementsAre(3));
}

#ifdef HOLDFAST_SANITIZE_ADDRESS_UNDEFINED
constexpr int kFatal = SIGABRT;  // ASan had the signal before us, and ends the program in its way
#else
constexpr int kFatal = SIGBUS;
#endif

TEST(Sigbus, OutsideOfWatchedMemoryItIsFatal) {
  void* map = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  WatchedMemory watched;
  watched.base = reinterpret_cast<std::byte*>(uintptr_t{1} << 40);
  watched.size = kPage;
  ASSERT_TRUE(WatchMemory(&watched));
  ASSERT_TRUE(internal::PoisonByEmptyFile(static_cast<std::byte*>(map), kPage));
  EXPECT_EXIT(*static_cast<volatile char*>(map) = 1, testing::KilledBySignal(kFatal), "");
  UnwatchMemory(&watched);
  munmap(map, kPage);
}

TEST(MetPages, KeepsEachPageOnce) {
  MetPages met;
  met.Add(7, -1);
  met.Add(7, -1);
  met.Add(0, -1);
  EXPECT_TRUE(met.any());
  EXPECT_THAT(met.Take(), ElementsAre(7, 0));
  EXPECT_FALSE(met.any());
  EXPECT_THAT(met.Take(), IsEmpty());
}

TEST(MetPages, DropsWhatDoesNotFit) {
  MetPages met;
  for (uint64_t page = 0; page < 1000; ++page) met.Add(page, -1);
  EXPECT_EQ(met.Take().size(), 256U);
  met.Add(999, -1);
  EXPECT_THAT(met.Take(), ElementsAre(999));
}

}  // namespace
}  // namespace holdfast::daxcore
