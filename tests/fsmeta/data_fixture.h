// SPDX-License-Identifier: Apache-2.0
// A small volume in memory with files to read, write and look at, for the tests of file data.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "fsmeta/file_data.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {

inline constexpr uint64_t kBlock = 4096;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;

/// Owns a mounted filesystem, which a check must find sound at the end of each test. One thread.
class DataFixture : public testing::Test {
 protected:
  explicit DataFixture(uint64_t bytes = tests::MountedFilesystem::kDefaultBytes,
                       DataMode mode = DataMode::kInPlace, const FormatOptions& format = {})
      : mounted_(bytes, OptionsFor(mode), format) {}

  void TearDown() override {
    ExpectSound();
    EXPECT_EQ(volume().allocator().oracle_hits(), 0u)
        << "L11: a block that is in use was given away";
  }
  /// Checks the medium as it is now.
  void ExpectSound();
  /// As after kill -9 and a new mount: what is not on the medium is gone.
  void Remount() { mounted_.Crash(); }
  /// An empty regular file in the root, which stays in core.
  Ino MakeFile();
  /// A file of `bytes` bytes, as Pattern makes them.
  Ino Written(uint64_t bytes, uint64_t seed = 1);
  /// The error of FileData::Allocate; 0: done.
  int AllocateError(Ino ino, int mode, uint64_t offset, uint64_t length);

  uint64_t WriteAt(Ino ino, uint64_t offset, std::string_view bytes);
  std::string ReadAt(Ino ino, uint64_t offset, uint64_t length);
  std::string ReadAll(Ino ino) { return ReadAt(ino, 0, kMaxFileSize); }
  uint64_t SizeOf(Ino ino) { return SlotOf(ino).size; }
  /// A copy of the slot on the medium.
  InodeSlot SlotOf(Ino ino);
  /// The layout in blocks, a letter and a length for each piece: "w2 h3 u1 s4" (written, hole,
  /// unwritten, shared). Neighbours of one kind are one piece, wherever their blocks are.
  std::string Shape(Ino ino);
  /// Region offset of the byte at `offset`, which must be mapped.
  uint64_t PlaceOf(Ino ino, uint64_t offset);
  /// Bytes of the medium, whatever file they belong to.
  std::string MediumAt(uint64_t region_offset, uint64_t length);
  /// Stores to the medium behind everybody's back.
  void Scribble(uint64_t region_offset, std::string_view bytes);
  uint64_t FreeBlocks() { return mounted_.FreeBlocks(); }

  tests::MountedFilesystem& mounted() { return mounted_; }
  Volume& volume() { return mounted_.volume(); }
  FileData data() { return FileData(volume()); }
  const OpContext& op() { return mounted_.op(); }

 private:
  static MountOptions OptionsFor(DataMode mode) {
    MountOptions options;
    options.data = mode;
    return options;
  }

  tests::MountedFilesystem mounted_;
  uint64_t files_made_ = 0;
};

/// `n` bytes that differ from place to place and by `seed`, none of them zero.
std::string Pattern(uint64_t n, uint64_t seed = 1);
inline std::string Zeroes(uint64_t n) { return std::string(n, '\0'); }

}  // namespace holdfast::fsmeta
