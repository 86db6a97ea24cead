// SPDX-License-Identifier: Apache-2.0
// Following requests, and what must hold at the end.
#include "tests/fuzz/fuzz_mount.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "fsmeta/checker.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {

using daemon::Options;
using daxcore::Ino;
using daxcore::Region;
using fsmeta::Filesystem;

namespace {

constexpr uint64_t kRegionBytes = uint64_t{4} << 20;

template <typename T>
T MustHave(daxcore::Result<T> result, std::string_view what) {
  if (!result) Wrong(what, result.error().Text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Everything in it that could be random is not.
std::vector<std::byte> MakeImage() {
  const fsmeta::FormatOptions format{
      .uuid = fsmeta::Uuid{1}, .made_at = 1'700'000'000, .hash_seed = 1};
  MountedFilesystem mounted(kRegionBytes, {}, format);
  const std::string bytes(16384, 'x');
  std::array<Ino, 2> files;
  for (size_t n = 0; n < files.size(); ++n) {
    MustHave(mounted.Create(n == 0 ? "f" : "g"), "making a file");
    files[n] = MustHave(mounted.Find(n == 0 ? "f" : "g"), "finding a file");
    MustHave(mounted.fs().Write(mounted.op(), files[n], 0, std::as_bytes(std::span(bytes)), false),
             "writing a file");
  }
  MustHave(mounted.fs().Reflink(mounted.op(), files[0], 0, files[1], 0, 8192), "sharing blocks");
  fsmeta::AttributeChange longer;
  longer.size = 5 * 4096 + 100;
  MustHave(mounted.fs().SetAttributes(mounted.op(), files[1], longer), "making a hole");
  mounted.Remount();
  return mounted.Image();
}

// Most blocks are zeroes, as those of a new region are.
std::unique_ptr<Region> RegionOf(std::span<const std::byte> image) {
  static constexpr std::byte kZeroes[daxcore::kBlockSize] = {};
  auto region = Region::InMemory(image.size());
  for (size_t at = 0; at < image.size(); at += sizeof(kZeroes)) {
    if (std::memcmp(&image[at], kZeroes, sizeof(kZeroes)) == 0) continue;
    region->persist().CopyNt(region->Target(at), &image[at], sizeof(kZeroes));
  }
  return region;
}

std::unique_ptr<Region> FreshRegion() {
  static const std::vector<std::byte> image = MakeImage();
  return RegionOf(image);
}

struct Opening {
  size_t file;
  uint32_t flags;
};
constexpr Opening kOpenings[FuzzMount::kFiles] = {
    {0, O_RDWR}, {1, O_RDWR}, {0, O_RDWR}, {1, O_RDONLY}, {0, O_WRONLY}};

}  // namespace

void Wrong(std::string_view what, std::string_view why) {
  std::fprintf(stderr, "wrong: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  std::abort();
}

FuzzMount::FuzzMount(const Options& options)
    : FakeMount(options, FreshRegion()),
      read_only_(options.read_only),
      image_(dup(volume().region().fd())) {
  GTEST_FLAG_SET(break_on_failure, true);  // what FakeMount expects
  for (size_t n = 0; n < nodes_.size(); ++n) {
    nodes_[n] = kernel().Lookup(kRoot, n == 0 ? "f" : "g").As<fuse_entry_out>().nodeid;
  }
  for (size_t n = 0; n < kFiles; ++n) Open(n);
}

void FuzzMount::Open(size_t n) {
  const uint64_t node = nodes_[kOpenings[n].file];
  const uint32_t flags = read_only_ ? O_RDONLY : kOpenings[n].flags;
  files_[n] = {node, kernel().Open(node, flags).As<fuse_open_out>().fh};
}

void FuzzMount::Reopen(size_t n) {
  n %= kFiles;
  EndWaiting([n](const Waiting& waiting) { return waiting.file == n; });
  kernel().Release(files_[n].node, files_[n].handle);
  Open(n);
  Settle();
}

void FuzzMount::Follow(size_t n, uint64_t request, Learn learn) {
  waiting_.push_back({n % kFiles, request, std::move(learn)});
  Settle();
}

// The number of the parked is read first: what was answered by then is not among them.
void FuzzMount::Settle() {
  for (;;) {
    const size_t parked = service().parking_lot().size();
    std::erase_if(waiting_, [this](const Waiting& waiting) {
      if (!kernel().HasReply(waiting.request)) return false;
      const FuseReply reply = kernel().Wait(waiting.request);
      if (waiting.learn) waiting.learn(reply);
      return true;
    });
    if (parked == waiting_.size()) return;
    std::this_thread::yield();
  }
}

void FuzzMount::InterruptOne(size_t n) {
  if (waiting_.empty()) return;
  kernel().Interrupt(waiting_[n % waiting_.size()].request);
  Settle();
}

// Whatever waits can be interrupted.
void FuzzMount::EndWaiting(const std::function<bool(const Waiting&)>& which) {
  for (;;) {
    const auto found = std::ranges::find_if(waiting_, which);
    if (found == waiting_.end()) return;
    InterruptOne(static_cast<size_t>(found - waiting_.begin()));
  }
}

void FuzzMount::Finish() {
  EndWaiting([](const Waiting&) { return true; });
  for (const OpenFile& file : files_) kernel().Release(file.node, file.handle);
  if (!read_only_ && !volume().medium().is_shut_down()) MustWork();
  Unmount();
  MustBeSound();
  close(image_);
}

void FuzzMount::MustWork() {
  const auto cut = kernel().Wait(kernel().SendTruncate(nodes_[0], 0));
  if (cut.error != 0) Wrong("a file cannot be cut", std::strerror(cut.error));
  const FuseReply made = kernel().Create(kRoot, "new");
  if (made.error != 0) Wrong("no file can be made", std::strerror(made.error));
  const OpenFile file{made.As<fuse_entry_out>().nodeid,
                      made.As<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  constexpr std::string_view kText = "still here";
  if (kernel().Write(file.node, file.handle, 0, kText).error != 0) Wrong("no file can be written");
  if (kernel().Read(file.node, file.handle, 0, 100).Text() != kText) Wrong("no file can be read");
  kernel().Release(file.node, file.handle);
}

// As the next mount finds it, with memory that is whole again.
void FuzzMount::MustBeSound() {
  static std::vector<std::byte> image(kRegionBytes);
  if (pread(image_, image.data(), image.size(), 0) != static_cast<ssize_t>(image.size())) {
    Wrong("the image cannot be read");
  }
  const auto report = MustHave(fsmeta::CheckFilesystem(image, "what is left"), "what is left");
  if (!report.clean()) Wrong("what is left is not sound", report.findings().front().Text());
  const auto fs = MustHave(Filesystem::Mount(RegionOf(image), {}), "the next mount");
  MustHave(fs->FinishOrphans(), "finishing orphans");
}

}  // namespace holdfast::tests
