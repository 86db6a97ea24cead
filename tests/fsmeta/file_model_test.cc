// SPDX-License-Identifier: Apache-2.0
// Random operations on several files against a model of bytes in memory, as fsx does it: in both
// data modes, over remounts, with room and without.
#include <linux/falloc.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

constexpr size_t kFiles = 4;

struct ModelRun {
  uint64_t seed;
  DataMode mode;
  uint64_t region_bytes;
  uint64_t max_size;  // of a file, bytes
  int steps;
};

std::string NameOf(const testing::TestParamInfo<ModelRun>& info) {
  return absl::StrCat(info.param.mode == DataMode::kCow ? "Cow" : "InPlace", "_",
                      info.param.region_bytes / kMiB, "MiB_Seed", info.param.seed);
}

class FileModelTest : public DataFixture, public testing::WithParamInterface<ModelRun> {
 protected:
  FileModelTest()
      : DataFixture(GetParam().region_bytes, GetParam().mode), random_(GetParam().seed) {
    for (size_t i = 0; i < kFiles; ++i) files_.push_back({MakeFile(), ""});
  }

  struct File {
    Ino ino;
    std::string bytes;
  };

  uint64_t Below(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  File& AnyFile() { return files_[Below(kFiles)]; }
  // Mostly inside the file, often on or near a block's edge.
  uint64_t Offset(const File& file) {
    uint64_t at = Below(Below(4) == 0 ? GetParam().max_size : file.bytes.size() + 1);
    switch (Below(4)) {
      case 0:
        return AlignDown(at, kBlock);
      case 1:
        return AlignDown(at, kBlock) + Below(3);
      default:
        return at;
    }
  }
  uint64_t Length() {
    constexpr uint64_t kMost[] = {16, 5000, 40000, 300000};
    const uint64_t length = Below(kMost[Below(4)]) + 1;
    return Below(3) == 0 ? AlignUp(length, kBlock) : length;
  }
  // Length that keeps [at, at + length) inside the largest size.
  uint64_t LengthAt(uint64_t at) {
    return std::min(Length(),
                    std::max<uint64_t>(GetParam().max_size - std::min(at, GetParam().max_size), 1));
  }

  // Accepts success and ENOSPC; true for success.
  template <typename T>
  bool Happened(const Result<T>& result) {
    if (!result) {
      EXPECT_EQ(result.error().code, ENOSPC) << result.error().Text();
      no_space_ += result.error().code == ENOSPC;
    }
    return result.has_value();
  }

  void Overlay(File* file, uint64_t at, std::string_view bytes) {
    if (bytes.empty()) return;
    if (file->bytes.size() < at + bytes.size()) file->bytes.resize(at + bytes.size());
    file->bytes.replace(at, bytes.size(), bytes);
  }
  void ZeroModel(File* file, uint64_t at, uint64_t length, bool grow) {
    if (grow && file->bytes.size() < at + length) file->bytes.resize(at + length);
    if (at >= file->bytes.size()) return;
    length = std::min<uint64_t>(length, file->bytes.size() - at);
    file->bytes.replace(at, length, std::string(length, '\0'));
  }

  void Step();
  void DoWrite();
  void DoTruncate();
  void DoAllocate();
  void DoPunch();
  void DoZero();
  void DoCollapse();
  void DoInsert();
  void DoReflink();
  void DoCopy();
  void DoUnshare();
  void CheckFile(const File& file);
  void CheckPart();
  void CheckEverything();

  std::mt19937_64 random_;
  std::vector<File> files_;
  std::string last_;  // what was done last
  int no_space_ = 0;
};

void FileModelTest::DoWrite() {
  File& file = AnyFile();
  const uint64_t at = Offset(file);
  const std::string bytes = Pattern(LengthAt(at), random_());
  last_ = absl::StrCat("write ", file.ino.value(), " ", at, " +", bytes.size());
  const auto written =
      data().Write(op(), file.ino, at, std::as_bytes(std::span(bytes.data(), bytes.size())), false);
  if (!Happened(written)) return;
  if (*written < bytes.size()) ++no_space_;
  Overlay(&file, at, std::string_view(bytes).substr(0, *written));
}

void FileModelTest::DoTruncate() {
  File& file = AnyFile();
  const uint64_t size = Below(8) == 0 ? 0 : Offset(file);
  last_ = absl::StrCat("truncate ", file.ino.value(), " ", size);
  if (Happened(data().SetSize(op(), file.ino, size, false))) file.bytes.resize(size);
}

void FileModelTest::DoAllocate() {
  File& file = AnyFile();
  const uint64_t at = Offset(file);
  const uint64_t length = LengthAt(at);
  const bool keep = Below(2) == 0;
  last_ = absl::StrCat("allocate ", file.ino.value(), " ", at, " +", length, keep ? " keep" : "");
  const int mode = keep ? FALLOC_FL_KEEP_SIZE : 0;
  if (!Happened(data().Allocate(op(), file.ino, mode, at, length)) || keep) return;
  if (file.bytes.size() < at + length) file.bytes.resize(at + length);
}

void FileModelTest::DoPunch() {
  File& file = AnyFile();
  const uint64_t at = Offset(file);
  const uint64_t length = Length();
  last_ = absl::StrCat("punch ", file.ino.value(), " ", at, " +", length);
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (Happened(data().Allocate(op(), file.ino, mode, at, length))) {
    ZeroModel(&file, at, length, false);
  }
}

void FileModelTest::DoZero() {
  File& file = AnyFile();
  const uint64_t at = Offset(file);
  const uint64_t length = LengthAt(at);
  const bool keep = Below(2) == 0;
  last_ = absl::StrCat("zero ", file.ino.value(), " ", at, " +", length, keep ? " keep" : "");
  const int mode = FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0);
  if (Happened(data().Allocate(op(), file.ino, mode, at, length))) {
    ZeroModel(&file, at, length, !keep);
  }
}

void FileModelTest::DoCollapse() {
  File& file = AnyFile();
  const uint64_t at = AlignDown(Offset(file), kBlock);
  const uint64_t length = AlignUp(Length(), kBlock);
  if (at + length >= file.bytes.size()) return;
  last_ = absl::StrCat("collapse ", file.ino.value(), " ", at, " +", length);
  if (Happened(data().Allocate(op(), file.ino, FALLOC_FL_COLLAPSE_RANGE, at, length))) {
    file.bytes.erase(at, length);
  }
}

void FileModelTest::DoInsert() {
  File& file = AnyFile();
  const uint64_t at = AlignDown(Offset(file), kBlock);
  const uint64_t length = AlignUp(Length(), kBlock);
  if (at >= file.bytes.size() || file.bytes.size() + length > GetParam().max_size) return;
  last_ = absl::StrCat("insert ", file.ino.value(), " ", at, " +", length);
  if (Happened(data().Allocate(op(), file.ino, FALLOC_FL_INSERT_RANGE, at, length))) {
    file.bytes.insert(at, std::string(length, '\0'));
  }
}

void FileModelTest::DoReflink() {
  File& from = AnyFile();
  File& to = AnyFile();
  if (from.bytes.empty()) return;
  const uint64_t source = AlignDown(Below(from.bytes.size()), kBlock);
  const uint64_t at = AlignDown(Offset(to), kBlock);
  uint64_t length = AlignUp(Length(), kBlock);
  if (source + length > from.bytes.size()) length = from.bytes.size() - source;
  if (at + length > GetParam().max_size) return;
  last_ = absl::StrCat("reflink ", from.ino.value(), " ", source, " to ", to.ino.value(), " ", at,
                       " +", length);
  const auto done = data().Reflink(op(), from.ino, source, to.ino, at, length);
  if (!done && done.error().code == EINVAL) {
    const uint64_t blocks = AlignUp(length, kBlock);
    const bool overlap = &from == &to && source < at + blocks && at < source + blocks;
    EXPECT_TRUE(overlap || (length % kBlock != 0 && at + length < to.bytes.size()));
    return;
  }
  if (Happened(done)) Overlay(&to, at, std::string(from.bytes.substr(source, length)));
}

void FileModelTest::DoCopy() {
  File& from = AnyFile();
  File& to = AnyFile();
  const uint64_t source = Offset(from);
  uint64_t at = Offset(to);
  if (Below(2) == 0) at = AlignDown(at, kBlock) + source % kBlock;
  const uint64_t length = LengthAt(at);
  last_ = absl::StrCat("copy ", from.ino.value(), " ", source, " to ", to.ino.value(), " ", at,
                       " +", length);
  const auto done = data().CopyRange(op(), from.ino, source, to.ino, at, length);
  if (!done && done.error().code == EINVAL) {
    EXPECT_TRUE(&from == &to && source < at + length && at < source + length);
    return;
  }
  if (!Happened(done) || *done == 0) return;
  ASSERT_LE(source + *done, from.bytes.size());
  Overlay(&to, at, std::string(from.bytes.substr(source, *done)));
}

void FileModelTest::DoUnshare() {
  File& file = AnyFile();
  const uint64_t at = Below(2) == 0 ? 0 : Offset(file);
  const uint64_t length = Below(2) == 0 ? GetParam().max_size : Length();
  last_ = absl::StrCat("unshare ", file.ino.value(), " ", at, " +", length);
  const int mode = FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE;
  Happened(data().Allocate(op(), file.ino, mode, at, length));
}

void FileModelTest::CheckFile(const File& file) {
  ASSERT_EQ(SizeOf(file.ino), file.bytes.size());
  const std::string bytes = ReadAll(file.ino);
  if (bytes == file.bytes) return;
  const auto differ = std::ranges::mismatch(bytes, file.bytes).in1 - bytes.begin();
  FAIL() << "file " << file.ino.value() << " of " << file.bytes.size() << " bytes differs at "
         << differ << ", layout " << Shape(file.ino);
}

void FileModelTest::CheckPart() {
  const File& file = AnyFile();
  const uint64_t at = Offset(file);
  const uint64_t length = Length();
  const std::string expected = at < file.bytes.size() ? file.bytes.substr(at, length) : "";
  ASSERT_EQ(ReadAt(file.ino, at, length), expected) << at << " +" << length;
}

void FileModelTest::CheckEverything() {
  for (const File& file : files_) ASSERT_NO_FATAL_FAILURE(CheckFile(file));
  ExpectSound();
}

void FileModelTest::Step() {
  using Action = void (FileModelTest::*)();
  static constexpr std::pair<uint64_t, Action> kActions[] = {
      {30, &FileModelTest::DoWrite},   {10, &FileModelTest::DoTruncate},
      {6, &FileModelTest::DoAllocate}, {8, &FileModelTest::DoPunch},
      {8, &FileModelTest::DoZero},     {4, &FileModelTest::DoCollapse},
      {4, &FileModelTest::DoInsert},   {10, &FileModelTest::DoReflink},
      {10, &FileModelTest::DoCopy},    {2, &FileModelTest::DoUnshare},
      {20, &FileModelTest::CheckPart}, {2, &FileModelTest::CheckEverything}};
  uint64_t total = 0;
  for (const auto& [weight, action] : kActions) total += weight;
  uint64_t pick = Below(total);
  for (const auto& [weight, action] : kActions) {
    if (pick < weight) return (this->*action)();
    pick -= weight;
  }
}

TEST_P(FileModelTest, FilesAreWhatTheModelSays) {
  for (int step = 0; step < GetParam().steps; ++step) {
    last_.clear();
    Step();
    if (step % 500 == 499) Remount();
    if (step % 100 == 99) CheckEverything();
    ASSERT_FALSE(HasFailure()) << "step " << step << ": " << last_;
  }
  for (const File& file : files_) {
    ASSERT_TRUE(data().SetSize(op(), file.ino, 0, false));
    EXPECT_EQ(SlotOf(file.ino).blocks, 0u);
  }
  EXPECT_EQ(no_space_ > 0, GetParam().region_bytes < 8 * kMiB);
}

std::vector<ModelRun> Runs() {
  std::vector<ModelRun> runs;
  for (const DataMode mode : {DataMode::kInPlace, DataMode::kCow}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      runs.push_back({seed, mode, 32 * kMiB, 3 * kMiB / 2, 2500});
      runs.push_back({seed, mode, 4 * kMiB, 2 * kMiB, 2500});
    }
  }
  return runs;
}

INSTANTIATE_TEST_SUITE_P(Random, FileModelTest, testing::ValuesIn(Runs()), NameOf);

}  // namespace
}  // namespace holdfast::fsmeta
