// SPDX-License-Identifier: Apache-2.0
// The shorthands of the tests of file data.
#include "tests/fsmeta/data_fixture.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fsmeta/checker.h"
#include "tests/support/error_of.h"

namespace holdfast::fsmeta {
namespace {

template <typename T>
void Check(const Result<T>& result) {
  ASSERT_TRUE(result) << result.error().Text();
}

char LetterOf(LayoutPiece::State state) {
  switch (state) {
    case LayoutPiece::State::kHole:
      return 'h';
    case LayoutPiece::State::kUnwritten:
      return 'u';
    case LayoutPiece::State::kWritten:
      return 'w';
    case LayoutPiece::State::kShared:
      return 's';
  }
  return '?';
}

}  // namespace

void DataFixture::ExpectSound() {
  const Region& region = volume().region();
  const auto report = CheckFilesystem({region.base(), region.size()}, "test");
  Check(report);
  if (!report) return;
  EXPECT_TRUE(report->clean());
  for (const Finding& finding : report->findings()) ADD_FAILURE() << finding.Text();
}

Ino DataFixture::MakeFile() {
  const auto made = mounted_.fs().MakeNode(op(), Ino(kInoRoot), absl::StrCat("file", ++files_made_),
                                           S_IFREG | 0644, 0);
  Check(made);
  return made ? made->ino : Ino(0);
}

Ino DataFixture::Written(uint64_t bytes, uint64_t seed) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, Pattern(bytes, seed));
  return ino;
}

int DataFixture::AllocateError(Ino ino, int mode, uint64_t offset, uint64_t length) {
  return tests::ErrorOf(data().Allocate(op(), ino, mode, offset, length));
}

uint64_t DataFixture::WriteAt(Ino ino, uint64_t offset, std::string_view bytes) {
  const auto written = data().Write(
      op(), ino, offset, std::as_bytes(std::span(bytes.data(), bytes.size())), /*kill=*/false);
  Check(written);
  return written.value_or(0);
}

std::string DataFixture::ReadAt(Ino ino, uint64_t offset, uint64_t length) {
  std::string bytes;
  Check(data().Read(ino, offset, length, [&](std::span<const iovec> pieces) {
    for (const iovec& piece : pieces) {
      bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
  }));
  return bytes;
}

InodeSlot DataFixture::SlotOf(Ino ino) {
  const auto slot = volume().inodes().Read(volume().medium(), ino);
  Check(slot);
  return slot ? **slot : InodeSlot{};
}

std::string DataFixture::Shape(Ino ino) {
  const auto pieces = data().Layout(ino, 0, kMaxFileSize, SIZE_MAX);
  Check(pieces);
  std::vector<std::pair<char, uint64_t>> runs;
  for (const LayoutPiece& piece : pieces.value_or(std::vector<LayoutPiece>())) {
    const char letter = LetterOf(piece.state);
    if (runs.empty() || runs.back().first != letter) runs.emplace_back(letter, 0);
    runs.back().second += piece.length / kBlock;
  }
  return absl::StrJoin(runs, " ", [](std::string* out, const auto& run) {
    absl::StrAppend(out, std::string(1, run.first), run.second);
  });
}

uint64_t DataFixture::PlaceOf(Ino ino, uint64_t offset) {
  const auto pieces = data().Layout(ino, offset, 1, 1);
  Check(pieces);
  if (!pieces || pieces->empty()) return 0;
  return pieces->front().region_offset + offset % kBlock;
}

std::string DataFixture::MediumAt(uint64_t region_offset, uint64_t length) {
  return {reinterpret_cast<const char*>(volume().region().At(region_offset)), length};
}

void DataFixture::Scribble(uint64_t region_offset, std::string_view bytes) {
  Region& region = volume().region();
  region.persist().CopyNt(region.Target(region_offset), bytes.data(), bytes.size());
}

std::string Pattern(uint64_t n, uint64_t seed) {
  std::string bytes(n, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<char>((state >> 56) % 255 + 1);
  }
  return bytes;
}

}  // namespace holdfast::fsmeta
