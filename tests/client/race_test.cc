// SPDX-License-Identifier: Apache-2.0
// L11 with real I/O: O_DIRECT reads into mapped and pinned blocks of a file, while other processes
// take those blocks away and give them to other files.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "holdfast/holdfast.hpp"
#include "tests/client/mounted_region.h"

namespace holdfast {
namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kMapped = 32 * kBlock;
constexpr int kChanges = 300;
constexpr char kSourceByte = 'S';
constexpr char kVictimByte = 'V';

class RaceTest : public tests::MountedRegion {
 protected:
  std::string options() const override {
    return "busy_policy=quarantine,busy_timeout=1,break_time=2";
  }

  // Runs it in a process of its own, which ends with what it returns.
  static pid_t Fork(const std::function<int()>& work) {
    const pid_t pid = fork();
    if (pid == 0) _exit(work());
    return pid;
  }
  static int StatusOf(pid_t pid) {
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
  }

  void Fill(const std::string& name, size_t length, char byte) {
    File file(path(name), O_RDWR | O_CREAT);
    const std::string bytes(length, byte);
    ASSERT_EQ(pwrite(file.fd(), bytes.data(), length, 0), static_cast<ssize_t>(length));
  }
  int Change() const;
  int Victims() const;
  void ReadIntoMapping(const std::atomic<bool>& stop, std::atomic<int>& reads);
  void ReadIntoPins(const std::atomic<bool>& stop, std::atomic<int>& reads);
  bool ReadIntoPin(holdfast_file* file, int source);
  bool ReadInto(uint64_t region_offset, int source);
};

// Takes blocks away in every way there is, and has the file get others.
int RaceTest::Change() const {
  const int fd = open(path("target").c_str(), O_RDWR);
  if (fd < 0) return 1;
  for (int i = 0; i < kChanges; ++i) {
    holdfast_range range{sizeof(range), 0, 4 * kBlock, 4 * kBlock};
    switch (i % 5) {
      case 0:
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMapped);
        break;
      case 1:
        fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, kMapped);
        break;
      case 2:
        ioctl(fd, HOLDFAST_IOC_COLLAPSE, &range);
        break;
      case 3:
        ioctl(fd, HOLDFAST_IOC_INSERT, &range);
        break;
      default:
        if (ftruncate(fd, 0) != 0) return 2;
    }
    if (ftruncate(fd, 2 * kMapped) != 0) return 3;
    // Pins need blocks; without space there are none, which is no matter.
    fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 2 * kMapped);
    const std::string bytes(kMapped, 'T');
    if (pwrite(fd, bytes.data(), bytes.size(), kMapped) < 0 && errno != ENOSPC) return 4;
  }
  return 0;
}

// Files that take every free block and must have nothing but their own byte. Until it is killed.
int RaceTest::Victims() const {
  const std::string bytes(256 * kBlock, kVictimByte);
  std::string seen(bytes.size(), '\0');
  for (;;) {
    const int fd = open(path("victim").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) return 1;
    while (write(fd, bytes.data(), bytes.size()) > 0) {
    }
    for (int round = 0; round < 2; ++round) {
      off_t at = 0;
      for (ssize_t n; (n = pread(fd, seen.data(), seen.size(), at)) > 0; at += n) {
        const auto end = seen.begin() + n;
        if (std::find_if(seen.begin(), end, [](char c) { return c != kVictimByte; }) != end) {
          fprintf(stderr, "L11 broken: a block of another file was stored to\n");
          return 2;
        }
      }
    }
    close(fd);
  }
}

void RaceTest::ReadIntoMapping(const std::atomic<bool>& stop, std::atomic<int>& reads) {
  File file(path("target"));
  file.Start();
  const int source = open(path("source").c_str(), O_RDONLY | O_DIRECT);
  ASSERT_GE(source, 0);
  while (!stop) {
    try {
      Map map = file.MapRange(0, kMapped, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
      while (!stop) {
        const auto inside = map.Enter();
        if (pread(source, inside.data(), kMapped, 0) == kMapped) ++reads;
      }
    } catch (const std::system_error&) {
      // Shorter, or out of space, just now.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  close(source);
}

// The layout is asked for under a lease that is older than the pin: while that is not recalled,
// what it shows is what was pinned. The lease goes before the I/O, so that only the pin protects
// it.
bool RaceTest::ReadIntoPin(holdfast_file* file, int source) {
  const int fd = holdfast_file_fd(file);
  holdfast_lease lease{};
  lease.size = sizeof(lease);
  lease.offset = kMapped;
  lease.length = kBlock;
  if (ioctl(fd, HOLDFAST_IOC_LEASE, &lease) != 0) return false;
  uint64_t pin = 0;
  const bool pinned = holdfast_pin_range(file, kMapped, kBlock, 0, &pin) == 0;
  holdfast_layout layout{};
  layout.size = sizeof(layout);
  layout.offset = kMapped;
  layout.length = kBlock;
  layout.lease = lease.lease;
  const bool shown = pinned && ioctl(fd, HOLDFAST_IOC_LAYOUT, &layout) == 0 && layout.count == 1;
  holdfast_lease back{};
  back.size = sizeof(back);
  back.lease = lease.lease;
  EXPECT_EQ(ioctl(fd, HOLDFAST_IOC_RETURN, &back), 0);
  const bool read = shown && ReadInto(layout.extents[0].region_offset, source);
  if (pinned) holdfast_unpin(file, pin);
  return read;
}

bool RaceTest::ReadInto(uint64_t region_offset, int source) {
  const int fd = open(region().c_str(), O_RDWR);
  void* const at = mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        static_cast<off_t>(region_offset));
  close(fd);
  if (at == MAP_FAILED) return false;
  const bool read = pread(source, at, kBlock, 0) == kBlock;
  munmap(at, kBlock);
  return read;
}

void RaceTest::ReadIntoPins(const std::atomic<bool>& stop, std::atomic<int>& reads) {
  File file(path("target"));
  const int source = open(path("source").c_str(), O_RDONLY | O_DIRECT);
  ASSERT_GE(source, 0);
  while (!stop) {
    if (ReadIntoPin(file.get(), source)) ++reads;
  }
  close(source);
}

TEST_F(RaceTest, L11_DirectReadsNeverLandInAnotherFile) {
  Fill("source", kMapped, kSourceByte);
  Fill("target", 2 * kMapped, 'T');
  const pid_t victims = Fork([this] { return Victims(); });
  const pid_t changer = Fork([this] { return Change(); });
  std::atomic<bool> stop{false};
  std::atomic<int> mapped_reads{0};
  std::atomic<int> pinned_reads{0};
  std::thread mapper([&] { ReadIntoMapping(stop, mapped_reads); });
  std::thread pinner([&] { ReadIntoPins(stop, pinned_reads); });
  EXPECT_EQ(StatusOf(changer), 0);
  stop = true;
  mapper.join();
  pinner.join();
  EXPECT_EQ(waitpid(victims, nullptr, WNOHANG), 0) << "the checker found something";
  kill(victims, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(StatusOf(victims)));
  EXPECT_GT(mapped_reads, 0);
  EXPECT_GT(pinned_reads, 0);
  EXPECT_EQ(unlink(path("victim").c_str()), 0);
}

}  // namespace
}  // namespace holdfast
