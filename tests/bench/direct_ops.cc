// SPDX-License-Identifier: Apache-2.0
// Times what direct clients wait for, on a mount: from the last unpin to the return of the truncate
// that waited for it, and LEASE + LAYOUT beside a plain ioctl. Prints medians in nanoseconds.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "client/include/holdfast/ioctl.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kLength = 16 * 4096;

void Must(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  std::exit(1);
}

template <typename T>
void Control(int fd, unsigned long request, T& argument, const char* what) {
  argument.size = sizeof(argument);
  Must(ioctl(fd, request, &argument) == 0, what);
}

void Fill(int fd) {
  const std::vector<char> bytes(kLength, 'x');
  Must(pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(kLength), "write");
}

int64_t Nanoseconds(Clock::duration took) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(took).count();
}

int64_t Median(std::vector<int64_t> times) {
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

int64_t MedianOf(
    int count, const std::function<void()>& work, const std::function<void()>& after = [] {}) {
  std::vector<int64_t> times;
  for (int i = 0; i < count; ++i) {
    const auto start = Clock::now();
    work();
    times.push_back(Nanoseconds(Clock::now() - start));
    after();
  }
  return Median(std::move(times));
}

int64_t UnpinToReturn(int fd, int count) {
  std::vector<int64_t> times;
  for (int i = 0; i < count; ++i) {
    Fill(fd);
    holdfast_pin pin{};
    pin.length = kLength;
    Control(fd, HOLDFAST_IOC_PIN, pin, "pin");
    Clock::time_point returned;
    std::thread truncater([fd, &returned] {
      Must(ftruncate(fd, 0) == 0, "truncate");
      returned = Clock::now();
    });
    // Long enough that it is parked and the machine idle.
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    holdfast_pin unpin{};
    unpin.pin = pin.pin;
    const auto start = Clock::now();
    Control(fd, HOLDFAST_IOC_UNPIN, unpin, "unpin");
    truncater.join();
    times.push_back(Nanoseconds(returned - start));
  }
  return Median(std::move(times));
}

int64_t LeaseAndLayout(int fd, int count, uint32_t flags) {
  Fill(fd);
  holdfast_lease lease{};
  const auto take = [&] {
    lease = {};
    lease.flags = flags;
    lease.length = kLength;
    Control(fd, HOLDFAST_IOC_LEASE, lease, "lease");
    holdfast_layout layout{};
    layout.length = kLength;
    layout.lease = lease.lease;
    Control(fd, HOLDFAST_IOC_LAYOUT, layout, "layout");
    Must(layout.count == 1, "a file of one extent");
  };
  const auto give_back = [&] {
    holdfast_lease back{};
    back.lease = lease.lease;
    Control(fd, HOLDFAST_IOC_RETURN, back, "return");
  };
  return MedianOf(count, take, give_back);
}

int64_t PlainIoctl(int fd, int count) {
  return MedianOf(count, [fd] {
    holdfast_share share{};
    Control(fd, HOLDFAST_IOC_SHARE, share, "share");
  });
}

int Usage() {
  std::fprintf(stderr, "usage: direct_ops unpin|lease FILE COUNT\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return Usage();
  const std::string_view what = argv[1];
  int count = 0;
  std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), count);
  if (count <= 0 || (what != "unpin" && what != "lease")) return Usage();
  const int fd = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  Must(fd >= 0, argv[2]);
  if (what == "unpin") {
    std::printf("unpin_to_return %lld\n", static_cast<long long>(UnpinToReturn(fd, count)));
    return 0;
  }
  // Turn by turn, so that all meet the same machine.
  const int64_t plain = PlainIoctl(fd, count);
  const int64_t read = LeaseAndLayout(fd, count, 0);
  const int64_t write = LeaseAndLayout(fd, count, HOLDFAST_LEASE_WRITE);
  std::printf("plain_ioctl %lld\nread_lease_and_layout %lld\nwrite_lease_and_layout %lld\n",
              static_cast<long long>(plain), static_cast<long long>(read),
              static_cast<long long>(write));
  return 0;
}
