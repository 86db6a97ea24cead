// SPDX-License-Identifier: Apache-2.0
// One process maps and pins a file through libholdfast while others read, truncate and change it.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <vector>

#include "holdfast/holdfast.hpp"
#include "tests/client/mounted_region.h"

namespace holdfast {
namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kMiB = 1 << 20;
constexpr size_t kHugePage = 2 * kMiB;

std::string Noise(size_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(length, '\0');
  for (size_t at = 0; at + 8 <= length; at += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  return bytes;
}

class TwoProcessesTest : public tests::MountedRegion {
 protected:
  // Another process that does it; true if it says so.
  static pid_t Start(const std::function<bool()>& action) {
    const pid_t pid = fork();
    if (pid == 0) _exit(action() ? 0 : 1);
    return pid;
  }
  static bool Join(pid_t pid) {
    int status = -1;
    return waitpid(pid, &status, 0) == pid && status == 0;
  }
  static bool IsRunning(pid_t pid) { return waitpid(pid, nullptr, WNOHANG) == 0; }

  pid_t StartTruncate(off_t size) {
    return Start([this, size] { return truncate(path("file").c_str(), size) == 0; });
  }
  // What another process reads of the file through the mount.
  bool OthersRead(const std::string& bytes, int flags = 0) {
    return Join(Start([&] {
      const int fd = open(path("file").c_str(), O_RDONLY | flags);
      const size_t room = (bytes.size() + kBlock - 1) / kBlock * kBlock;
      auto* const seen = static_cast<char*>(std::aligned_alloc(kBlock, room));
      if (pread(fd, seen, bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return false;
      return std::memcmp(seen, bytes.data(), bytes.size()) == 0;
    }));
  }
  bool SomebodyWaits() {
    return tests::Succeeds(bin("holdfast") + " busy --json " + mount() +
                           " | grep --quiet '\"operation\":\"setattr\"'");
  }
  File NewFile(const std::string& bytes) {
    File file(path("file"), O_RDWR | O_CREAT);
    EXPECT_EQ(pwrite(file.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return file;
  }
};

TEST_F(TwoProcessesTest, MapRecallMapAgainPinUnpin) {
  std::string bytes = Noise(2 * kHugePage, 1);
  File file = NewFile(bytes);
  file.Start();
  const auto store = [&](Map& map, size_t at, const std::string& text) {
    const auto inside = map.Enter();
    std::memcpy(static_cast<char*>(inside.data()) + at, text.data(), text.size());
    map.Sync(at, text.size());
    bytes.replace(at, text.size(), text);
  };
  Map map = file.MapRange(0, 2 * kHugePage, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
  store(map, 10, "first");
  store(map, kHugePage + 3 * kBlock, "second");
  EXPECT_TRUE(OthersRead(bytes)) << "stores through the mapping are in the file";

  EXPECT_TRUE(Join(StartTruncate(kHugePage))) << "a recall is obeyed";
  bytes.resize(kHugePage);
  EXPECT_THROW(map.Enter(), std::system_error) << "the file does not reach that far any more";
  Map again = file.MapRange(0, kHugePage, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
  {
    const auto inside = again.Enter();
    EXPECT_EQ(std::memcmp(inside.data(), bytes.data(), bytes.size()), 0);
  }
  store(again, 5 * kBlock, "third");
  EXPECT_TRUE(OthersRead(bytes));

  const uint64_t pin = file.Pin(0, kHugePage);
  const pid_t truncater = StartTruncate(0);
  while (!SomebodyWaits()) ASSERT_TRUE(IsRunning(truncater)) << "the truncate did not wait";
  EXPECT_TRUE(IsRunning(truncater));
  EXPECT_EQ(std::filesystem::file_size(path("file")), kHugePage);
  file.Unpin(pin);
  EXPECT_TRUE(Join(truncater));
  EXPECT_EQ(std::filesystem::file_size(path("file")), 0u);
}

// Where the kernel has to cache pages, what the holder of a lease stores is read by who reads past
// the cache at once, and by everybody else once the lease is back.
TEST_F(TwoProcessesTest, WhatIsStoredAgainIsReadPastACache) {
  std::string bytes(4 * kBlock, 'a');
  File file = NewFile(bytes);
  {
    Map map = file.MapRange(0, 4 * kBlock, HOLDFAST_MAP_WRITE);
    for (const char letter : {'b', 'c', 'd'}) {
      bytes.assign(4 * kBlock, letter);
      const auto inside = map.Enter();
      std::memcpy(inside.data(), bytes.data(), bytes.size());
      EXPECT_TRUE(OthersRead(bytes, O_DIRECT)) << letter;
    }
    OthersRead(bytes);
    bytes.assign(4 * kBlock, 'e');
    const auto inside = map.Enter();
    std::memcpy(inside.data(), bytes.data(), bytes.size());
  }
  EXPECT_TRUE(OthersRead(bytes));
}

TEST_F(TwoProcessesTest, AMappingIsExactlyWhatTheMountShows) {
  std::string bytes = Noise(3 * kHugePage + 5 * kBlock, 2);
  File file = NewFile(bytes);
  // Made of many pieces: blocks come and go all over it.
  for (size_t at = kBlock; at + 3 * kBlock < bytes.size(); at += 37 * kBlock) {
    ASSERT_EQ(fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(at), 3 * kBlock),
              0);
    bytes.replace(at, 3 * kBlock, 3 * kBlock, '\0');
    if (at % 2 == 0) continue;
    const std::string piece = Noise(kBlock, at);
    ASSERT_EQ(pwrite(file.fd(), piece.data(), kBlock, static_cast<off_t>(at)), ssize_t{kBlock});
    bytes.replace(at, kBlock, piece);
  }
  for (const uint64_t offset : {size_t{0}, kBlock, kHugePage - kBlock, 2 * kHugePage}) {
    Map map = file.MapRange(offset, bytes.size() - offset, HOLDFAST_MAP_WRITE);
    const auto inside = map.Enter();
    EXPECT_EQ(std::memcmp(inside.data(), bytes.data() + offset, map.size()), 0) << offset;
  }
  EXPECT_TRUE(OthersRead(bytes));
  // What was mapped for writing is in one piece of each unit, so that it can be mapped for reading.
  Map map = file.MapRange(0, bytes.size(), 0);
  const auto inside = map.Enter();
  EXPECT_EQ(std::memcmp(inside.data(), bytes.data(), bytes.size()), 0);
}

TEST_F(TwoProcessesTest, AlignedExtentsAreMappedInHugePages) {
  constexpr size_t kLength = 4 * kHugePage;
  File file = NewFile(Noise(kLength, 3));
  Map map = file.MapRange(0, kLength, HOLDFAST_MAP_WRITE);
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
  };
  const auto inside = map.Enter();
  auto* const bytes = static_cast<volatile char*>(inside.data());
  const long before = faults();
  for (size_t at = 0; at < kLength; at += kBlock) bytes[at] = 'x';
  const long taken = faults() - before;
  printf("%ld faults for %zu pages of 4 KiB, in a region mapped in units of %zu bytes\n", taken,
         kLength / kBlock, alignment());
  if (alignment() < kHugePage) GTEST_SKIP() << "the region need not be mapped in huge pages";
  EXPECT_LT(taken, 16);
}

// The blocks that a mapping shows stay in place while the daemon ends, by force, and comes again.
TEST_F(TwoProcessesTest, L11_AMappingOutlivesTheDaemon) {
  const std::string bytes = Noise(kHugePage, 4);
  File file = NewFile(bytes);
  Map map = file.MapRange(0, kHugePage, HOLDFAST_MAP_WRITE);
  ASSERT_TRUE(tests::Succeeds("kill -9 $(" + bin("holdfast") + " info --json " + mount() +
                              " | jq .pid) && umount --lazy " + mount()));
  const auto inside = map.Enter();
  auto* const mapped = static_cast<char*>(inside.data());
  EXPECT_EQ(std::memcmp(mapped, bytes.data(), bytes.size()), 0);
  Serve();
  std::memcpy(mapped, "after the crash", 15);
  EXPECT_TRUE(OthersRead("after the crash"));
  EXPECT_TRUE(tests::Succeeds(bin("holdfast") + " busy --json " + mount() +
                              " | jq --exit-status '.holders[0].kind == \"former\"' > /dev/null"));
  const pid_t truncater = StartTruncate(0);
  while (!SomebodyWaits()) ASSERT_TRUE(IsRunning(truncater)) << "L11: the truncate did not wait";
  EXPECT_EQ(std::memcmp(mapped, "after the crash", 15), 0);
  kill(truncater, SIGKILL);
  EXPECT_FALSE(Join(truncater));
}

}  // namespace
}  // namespace holdfast
