// SPDX-License-Identifier: Apache-2.0
// Times loads and stores of one thread to a mapped file: of a mount through libholdfast, each
// between enter and leave, or of any file system through mmap. Prints operations a second.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "client/cache_flush.h"
#include "holdfast/holdfast.hpp"

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kLength = 16 << 20;
constexpr size_t kBlock = 4096;
constexpr auto kTime = std::chrono::milliseconds(1500);

void Must(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  std::exit(1);
}

// A mapped file, however it is mapped.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual char* Enter() = 0;
  virtual void Leave() = 0;
};

class DirectMemory final : public Memory {
 public:
  explicit DirectMemory(const char* path)
      : file_(path), map_(file_.MapRange(0, kLength, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP)) {
    file_.Start();
  }
  char* Enter() override {
    access_.emplace(map_);
    return static_cast<char*>(access_->data());
  }
  void Leave() override { access_.reset(); }

 private:
  holdfast::File file_;
  holdfast::Map map_;
  std::optional<holdfast::Map::Access> access_;
};

// MAP_SYNC: on memory, as libpmem2 maps it.
class PlainMemory final : public Memory {
 public:
  explicit PlainMemory(const char* path) {
    const int fd = open(path, O_RDWR);
    Must(fd >= 0, path);
    void* at =
        mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
    if (at == MAP_FAILED) at = mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    Must(at != MAP_FAILED, "mmap");
    at_ = static_cast<char*>(at);
    close(fd);
  }
  ~PlainMemory() override { munmap(at_, kLength); }
  char* Enter() override { return at_; }
  void Leave() override {}

 private:
  char* at_ = nullptr;
};

// Operations a second of `work(first byte, offset)` at random multiples of `step`.
double Rate(Memory& memory, size_t step, const std::function<void(char*, size_t)>& work) {
  std::mt19937 random(1);
  uint64_t count = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < kTime) {
    for (int i = 0; i < 64; ++i, ++count) {
      char* const base = memory.Enter();
      work(base, random() % (kLength / step) * step);
      memory.Leave();
    }
  }
  return static_cast<double>(count) / std::chrono::duration<double>(Clock::now() - start).count();
}

// The compiler must have loaded it.
void Use(char loaded) { asm volatile("" : : "r"(loaded) : "memory"); }

void Fill(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  Must(fd >= 0, path);
  const std::vector<char> bytes(1 << 20, 'x');
  for (size_t at = 0; at < kLength; at += bytes.size())
    Must(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "write");
  close(fd);
}

void Measure(Memory& memory) {
  static char buffer[kBlock];
  // So that no operation that counts meets a page for the first time.
  for (size_t at = 0; at < kLength; at += kBlock) memory.Enter()[at] = 'x', memory.Leave();
  const auto load = Rate(memory, 64, [](char* base, size_t at) { Use(base[at]); });
  const auto store = Rate(memory, 64, [](char* base, size_t at) {
    std::memset(base + at, 'y', 64);
    holdfast::client::FlushCaches(base + at, 64);
  });
  const auto read = Rate(memory, kBlock, [](char* base, size_t at) {
    std::memcpy(buffer, base + at, kBlock);
    Use(buffer[0]);
  });
  const auto write = Rate(memory, kBlock, [](char* base, size_t at) {
    std::memcpy(base + at, buffer, kBlock);
    holdfast::client::FlushCaches(base + at, kBlock);
  });
  std::printf("load_line %.0f\nstore_line %.0f\nread_block %.0f\nwrite_block %.0f\n", load, store,
              read, write);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc == 3 ? argv[1] : "";
  if (how != "direct" && how != "mmap") {
    std::fprintf(stderr, "usage: mapped_ops direct|mmap FILE\n");
    return 2;
  }
  Fill(argv[2]);
  try {
    if (how == "direct") {
      DirectMemory memory(argv[2]);
      Measure(memory);
    } else {
      PlainMemory memory(argv[2]);
      Measure(memory);
    }
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "mapped_ops: %s\n", error.what());
    return 1;
  }
  return 0;
}
