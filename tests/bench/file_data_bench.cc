// SPDX-License-Identifier: Apache-2.0
// The data path without FUSE: what reading, writing, cloning and truncating cost by themselves.
#include <benchmark/benchmark.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "fsmeta/file_data.h"
#include "fsmeta/format_region.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().Text().c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// One volume in memory for all benchmarks, with 1.25 GiB of room.
class World {
 public:
  static World& Get() {
    static World world;
    return world;
  }

  Ino MakeFile() {
    const Ino ino = Must(volume_->transactions().Run([&](Transaction& tx) -> Result<Ino> {
      HOLDFAST_ASSIGN(auto made, volume_->inodes().Allocate(tx, Ino(kInoRoot)));
      made.second->mode = S_IFREG | 0644;
      made.second->nlink = 1;
      return made.first;
    }));
    volume_->live().AddLookup(*volume_->live().Get(ino));
    return ino;
  }
  Ino MakeWritten(uint64_t bytes) {
    const Ino ino = MakeFile();
    const std::string chunk(kMiB, 'x');
    for (uint64_t at = 0; at < bytes; at += kMiB) Write(ino, at, chunk.substr(0, bytes - at));
    return ino;
  }
  void Write(Ino ino, uint64_t at, const std::string& bytes) {
    Must(data_->Write(op_, ino, at, std::as_bytes(std::span(bytes)), false));
  }
  void Truncate(Ino ino, uint64_t size) { Must(data_->SetSize(op_, ino, size, false)); }
  FileData& data() { return *data_; }
  const OpContext& op() { return op_; }

 private:
  World() {
    auto region = Region::InMemory(kGiB + kGiB / 4);
    Must(FormatRegion(*region, {}));
    volume_ = Must(Volume::Open(std::move(region), {}));
    data_ = std::make_unique<FileData>(*volume_);
  }
  ~World() { volume_->live().ForgetAll(); }

  OpContext op_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<FileData> data_;
};

void Read(benchmark::State& state) {
  World& world = World::Get();
  const uint64_t size = static_cast<uint64_t>(state.range(0));
  const Ino ino = world.MakeWritten(16 * kMiB);
  std::string buffer(size, '\0');
  uint64_t at = 0;
  for (auto _ : state) {
    Must(world.data().Read(ino, at, size, [&](std::span<const iovec> pieces) {
      char* to = buffer.data();
      for (const iovec& piece : pieces)
        to = static_cast<char*>(mempcpy(to, piece.iov_base, piece.iov_len));
    }));
    at = (at + size) % (16 * kMiB);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
  world.Truncate(ino, 0);
}
BENCHMARK(Read)->Arg(4096)->Arg(1 << 20);

void Locate(benchmark::State& state) {
  World& world = World::Get();
  const Ino ino = world.MakeWritten(kMiB);
  for (auto _ : state) {
    Must(world.data().Read(ino, 8192, 4096, [](std::span<const iovec> pieces) {
      benchmark::DoNotOptimize(pieces.data());
    }));
  }
  world.Truncate(ino, 0);
}
BENCHMARK(Locate);

void Overwrite(benchmark::State& state) {
  World& world = World::Get();
  const std::string bytes(static_cast<uint64_t>(state.range(0)), 'y');
  const Ino ino = world.MakeWritten(16 * kMiB);
  uint64_t at = 0;
  for (auto _ : state) {
    world.Write(ino, at, bytes);
    at = (at + bytes.size()) % (16 * kMiB);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
  world.Truncate(ino, 0);
}
BENCHMARK(Overwrite)->Arg(4096)->Arg(1 << 20);

void Append(benchmark::State& state) {
  World& world = World::Get();
  const std::string bytes(static_cast<uint64_t>(state.range(0)), 'z');
  const Ino ino = world.MakeFile();
  uint64_t at = 0;
  for (auto _ : state) {
    if (at >= kGiB / 2) {
      state.PauseTiming();
      world.Truncate(ino, at = 0);
      state.ResumeTiming();
    }
    world.Write(ino, at, bytes);
    at += bytes.size();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
  world.Truncate(ino, 0);
}
BENCHMARK(Append)->Arg(100)->Arg(4096)->Arg(1 << 20);

void CloneWrittenFile(benchmark::State& state) {
  World& world = World::Get();
  const Ino ino = world.MakeWritten(static_cast<uint64_t>(state.range(0)));
  const Ino clone = world.MakeFile();
  for (auto _ : state) {
    Must(world.data().Reflink(world.op(), ino, 0, clone, 0, 0));
    state.PauseTiming();
    world.Truncate(clone, 0);
    state.ResumeTiming();
  }
  world.Truncate(ino, 0);
}
BENCHMARK(CloneWrittenFile)->Arg(kMiB)->Arg(kGiB)->Unit(benchmark::kMicrosecond);

void CopyOnWrite(benchmark::State& state) {
  World& world = World::Get();
  const Ino ino = world.MakeWritten(16 * kMiB);
  const Ino clone = world.MakeFile();
  const std::string bytes(4096, 'c');
  uint64_t at = 16 * kMiB;
  for (auto _ : state) {
    if (at == 16 * kMiB) {
      state.PauseTiming();
      world.Truncate(clone, at = 0);
      Must(world.data().Reflink(world.op(), ino, 0, clone, 0, 0));
      state.ResumeTiming();
    }
    world.Write(clone, at, bytes);
    at += bytes.size();
  }
  world.Truncate(clone, 0);
  world.Truncate(ino, 0);
}
BENCHMARK(CopyOnWrite);

}  // namespace
}  // namespace holdfast::fsmeta
