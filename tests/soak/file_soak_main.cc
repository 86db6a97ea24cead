// SPDX-License-Identifier: Apache-2.0
// file_soak FOLDER --region REGION [--seconds N] [--steps N] [--seed S]: random operations on files
// of a mount, in every way that programs reach them, against a model of their bytes in memory, as
// fsx does it. A seed makes the same steps again.
#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <limits>
#include <vector>

#include "tests/soak/soaked_file.h"

namespace holdfast::tests {
namespace {

constexpr uint64_t kFiles = 4;
constexpr uint64_t kMostBytes = 1 << 20;  // of a file
constexpr size_t kRemembered = 40;        // operations that a failure report shows

class Soak {
 public:
  Soak(const std::string& folder, const std::string& region, uint64_t seed) : chance_(seed) {
    for (uint64_t i = 0; i < kFiles; ++i) {
      files_.push_back(std::make_unique<SoakedFile>(folder + "/file" + std::to_string(i), region));
    }
  }

  void Step();
  void CheckAll() {
    for (const auto& file : files_) file->ReadAll();
  }
  uint64_t steps() const { return steps_; }
  void PrintLast() const {
    for (const std::string& line : last_) std::fprintf(stderr, "  %s\n", line.c_str());
  }

 private:
  using Action = void (Soak::*)(SoakedFile&);
  struct Choice {
    uint64_t weight;
    Action action;
  };

  SoakedFile& Any() { return *files_[chance_.Below(kFiles)]; }
  // Mostly inside the file, often on a block's edge or near it.
  uint64_t Place(const SoakedFile& file) {
    const uint64_t at = chance_.Below(chance_.OneIn(4) ? kMostBytes : file.size() + 1);
    switch (chance_.Below(4)) {
      case 0:
        return at / kBlock * kBlock;
      case 1:
        return at / kBlock * kBlock + chance_.Below(3);
      default:
        return at;
    }
  }
  uint64_t Length() {
    constexpr std::array<uint64_t, 4> kMost = {16, 5000, 40'000, 300'000};
    return chance_.Below(kMost[chance_.Below(kMost.size())]) + 1;
  }
  // Anywhere below the largest size.
  Range Somewhere(const SoakedFile& file) {
    const uint64_t at = std::min(Place(file), kMostBytes - 1);
    return {at, std::min(Length(), kMostBytes - at)};
  }
  // Bytes that the file has; none if it is empty.
  Range Inside(const SoakedFile& file) {
    const uint64_t at = chance_.Below(file.size());
    return {at, file.size() == 0 ? 0 : std::min(Length(), file.size() - at)};
  }
  // Whole blocks that the file has; maybe none.
  Range Blocks(const SoakedFile& file) {
    const uint64_t blocks = file.size() / kBlock;
    const uint64_t at = chance_.Below(blocks);
    const uint64_t count = blocks == 0 ? 0 : std::min(chance_.Below(20) + 1, blocks - at);
    return {at * kBlock, count * kBlock};
  }
  void Say(const SoakedFile& file, const char* what, Range range);

  void Write(SoakedFile& file);
  void Truncate(SoakedFile& file);
  void Allocate(SoakedFile& file);
  void Collapse(SoakedFile& file);
  void Insert(SoakedFile& file);
  void Unshare(SoakedFile& file);
  void Reflink(SoakedFile& file);
  void Copy(SoakedFile& file);
  void MappedWrite(SoakedFile& file);
  void MappedRead(SoakedFile& file);
  void DirectWrite(SoakedFile& file);
  void DirectRead(SoakedFile& file);
  void KeepMapped(SoakedFile& file);
  void UseKept(SoakedFile& file);
  void Read(SoakedFile& file);
  void Reopen(SoakedFile& file);

  Chance chance_;
  std::vector<std::unique_ptr<SoakedFile>> files_;
  std::deque<std::string> last_;
  uint64_t steps_ = 0;
};

void Soak::Say(const SoakedFile& file, const char* what, Range range) {
  if (last_.size() == kRemembered) last_.pop_front();
  last_.push_back(std::to_string(steps_) + ": " + what + " " + file.path() + " at " +
                  std::to_string(range.at) + ", " + std::to_string(range.length) + " bytes, of " +
                  std::to_string(file.size()));
}

void Soak::Write(SoakedFile& file) {
  const Range range = Somewhere(file);
  Say(file, "write", range);
  file.Write(range.at, chance_.Bytes(range.length));
}

void Soak::Truncate(SoakedFile& file) {
  const uint64_t size = chance_.OneIn(8) ? 0 : Place(file);
  Say(file, "truncate", {size, 0});
  file.Truncate(size);
}

void Soak::Allocate(SoakedFile& file) {
  constexpr int kKeep = FALLOC_FL_KEEP_SIZE;
  constexpr std::array<int, 5> kModes = {0, kKeep, FALLOC_FL_PUNCH_HOLE | kKeep,
                                         FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | kKeep};
  const int mode = kModes[chance_.Below(kModes.size())];
  const Range range = Somewhere(file);
  Say(file, ("fallocate mode " + std::to_string(mode)).c_str(), range);
  file.Allocate(mode, range);
}

void Soak::Collapse(SoakedFile& file) {
  const Range range = Blocks(file);
  if (range.length == 0 || range.at + range.length >= file.size()) return;
  Say(file, "collapse", range);
  file.Collapse(range);
}

void Soak::Insert(SoakedFile& file) {
  Range range = Blocks(file);
  range.length = (chance_.Below(10) + 1) * kBlock;
  if (range.at >= file.size() || file.size() + range.length > kMostBytes) return;
  Say(file, "insert", range);
  file.Insert(range);
}

void Soak::Unshare(SoakedFile& file) {
  const Range range = Blocks(file);
  if (range.length == 0) return;
  Say(file, "unshare", range);
  file.Unshare(range);
}

void Soak::Reflink(SoakedFile& file) {
  SoakedFile& source = Any();
  const Range range = Blocks(source);
  const uint64_t at = Place(file) / kBlock * kBlock;
  const bool overlaps =
      &source == &file && range.at < at + range.length && at < range.at + range.length;
  if (range.length == 0 || overlaps || at + range.length > kMostBytes) return;
  Say(source, "reflink from", range);
  Say(file, "reflink to", {at, range.length});
  file.ReflinkFrom(source, range, at);
}

void Soak::Copy(SoakedFile& file) {
  SoakedFile& source = Any();
  const Range range = Inside(source);
  const uint64_t at =
      chance_.OneIn(2) ? Place(file) : Place(file) / kBlock * kBlock + range.at % kBlock;
  const bool overlaps =
      &source == &file && range.at < at + range.length && at < range.at + range.length;
  if (range.length == 0 || overlaps || at + range.length > kMostBytes) return;
  Say(source, "copy from", range);
  Say(file, "copy to", {at, range.length});
  file.CopyFrom(source, range, at);
}

void Soak::MappedWrite(SoakedFile& file) {
  const Range range = Inside(file);
  if (range.length == 0) return;
  Say(file, "mmap write", range);
  file.MappedWrite(range.at, chance_.Bytes(range.length));
}

void Soak::MappedRead(SoakedFile& file) {
  const Range range = Inside(file);
  if (range.length == 0) return;
  Say(file, "mmap read", range);
  file.MappedRead(range);
}

// Bytes inside whole blocks, some at their edges.
void Soak::DirectWrite(SoakedFile& file) {
  Range range = Blocks(file);
  if (range.length == 0) return;
  range.at += chance_.Below(kBlock);
  range.length -= std::min(range.length - 1, kBlock + chance_.Below(kBlock));
  Say(file, "direct write", range);
  file.DirectWrite(range.at, chance_.Bytes(range.length));
}

void Soak::DirectRead(SoakedFile& file) {
  const Range range = Blocks(file);
  if (range.length == 0) return;
  Say(file, "direct read", range);
  file.DirectRead(range);
}

void Soak::KeepMapped(SoakedFile& file) {
  const Range range = Blocks(file);
  if (range.length == 0) return;
  Say(file, "keep mapped", range);
  file.KeepMapped(range);
}

void Soak::UseKept(SoakedFile& file) {
  Say(file, "use what is mapped", {});
  file.UseKept(chance_);
}

void Soak::Read(SoakedFile& file) {
  const Range range = Somewhere(file);
  Say(file, "read", range);
  file.Read(range);
}

void Soak::Reopen(SoakedFile& file) {
  Say(file, "open again", {});
  file.Reopen();
  file.ReadAll();
}

void Soak::Step() {
  static constexpr Choice kChoices[] = {
      {20, &Soak::Write},     {8, &Soak::Truncate},    {15, &Soak::Allocate},
      {4, &Soak::Collapse},   {4, &Soak::Insert},      {3, &Soak::Unshare},
      {8, &Soak::Reflink},    {8, &Soak::Copy},        {8, &Soak::MappedWrite},
      {8, &Soak::MappedRead}, {8, &Soak::DirectWrite}, {6, &Soak::DirectRead},
      {3, &Soak::KeepMapped}, {10, &Soak::UseKept},    {20, &Soak::Read},
      {1, &Soak::Reopen}};
  ++steps_;
  uint64_t total = 0;
  for (const Choice& choice : kChoices) total += choice.weight;
  uint64_t pick = chance_.Below(total);
  for (const auto& [weight, action] : kChoices) {
    if (pick < weight) return (this->*action)(Any());
    pick -= weight;
  }
}

struct Arguments {
  std::string folder;
  std::string region;
  uint64_t seconds = 10;
  uint64_t steps = std::numeric_limits<uint64_t>::max();
  uint64_t seed = std::random_device()();
};

int Run(const Arguments& arguments) {
  using Clock = std::chrono::steady_clock;
  std::printf("seed %lu\n", arguments.seed);
  std::fflush(stdout);
  Soak soak(arguments.folder, arguments.region, arguments.seed);
  const auto end = Clock::now() + std::chrono::seconds(arguments.seconds);
  try {
    while (Clock::now() < end && soak.steps() < arguments.steps) {
      soak.Step();
      if (soak.steps() % 200 == 0) soak.CheckAll();
    }
    soak.CheckAll();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "FAILED: %s\nThe last of %lu steps were:\n", error.what(), soak.steps());
    soak.PrintLast();
    std::fprintf(stderr, "On new files the same again: --seed %lu --steps %lu\n", arguments.seed,
                 soak.steps());
    return 1;
  }
  std::printf("%lu operations, every file as its model\n", soak.steps());
  return 0;
}

}  // namespace
}  // namespace holdfast::tests

int main(int argc, char** argv) {
  holdfast::tests::Arguments arguments;
  CLI::App app("Random operations on files of a mount, compared with a model in memory.");
  app.add_option("folder", arguments.folder, "of a Holdfast mount; gets the files")->required();
  app.add_option("--region", arguments.region, "what is mounted")->required();
  app.add_option("--seconds", arguments.seconds, "how long");
  app.add_option("--steps", arguments.steps, "how many at most");
  app.add_option("--seed", arguments.seed, "what they follow from");
  CLI11_PARSE(app, argc, argv);
  return holdfast::tests::Run(arguments);
}
