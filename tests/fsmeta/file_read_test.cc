// SPDX-License-Identifier: Apache-2.0
// Reading: clipping, holes, unwritten blocks, and the access time.
#include <sys/stat.h>

#include "fsmeta/lazy_times.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

class FileReadTest : public DataFixture {
 protected:
  size_t PiecesOf(Ino ino, uint64_t offset, uint64_t length) {
    size_t count = 0;
    EXPECT_TRUE(data().Read(ino, offset, length,
                            [&](std::span<const iovec> pieces) { count = pieces.size(); }));
    return count;
  }
};

TEST_F(FileReadTest, ClipsAtTheEndOfTheFile) {
  const Ino ino = MakeFile();
  EXPECT_EQ(ReadAll(ino), "");
  WriteAt(ino, 0, "hello");
  EXPECT_EQ(ReadAt(ino, 0, 3), "hel");
  EXPECT_EQ(ReadAt(ino, 3, 100), "lo");
  EXPECT_EQ(ReadAt(ino, 5, 100), "");
  EXPECT_EQ(ReadAt(ino, uint64_t{1} << 63, UINT64_MAX), "");
  EXPECT_EQ(ReadAt(ino, 2, UINT64_MAX), "llo");
}

TEST_F(FileReadTest, HolesReadZeroInOnePiece) {
  const Ino ino = MakeFile();
  WriteAt(ino, 3 * kMiB, "x");
  EXPECT_EQ(ReadAt(ino, 0, kMiB), std::string(kMiB, '\0'));
  EXPECT_EQ(PiecesOf(ino, 0, kMiB), 1u);
  EXPECT_EQ(PiecesOf(ino, 0, 3 * kMiB), 2u);
  EXPECT_EQ(ReadAt(ino, 3 * kMiB - 1, 9), std::string("\0x", 2));
}

TEST_F(FileReadTest, ComesStraightFromTheRegion) {
  const Ino ino = MakeFile();
  const std::string bytes = Pattern(3 * kBlock);
  WriteAt(ino, 0, bytes);
  ASSERT_TRUE(data().Read(ino, 10, kBlock, [&](std::span<const iovec> pieces) {
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].iov_base, volume().region().Target(PlaceOf(ino, 0) + 10));
    EXPECT_EQ(pieces[0].iov_len, kBlock);
  }));
}

TEST_F(FileReadTest, UnwrittenBlocksReadZeroWhateverTheyHold) {
  const Ino old = MakeFile();
  WriteAt(old, 0, Pattern(64 * kBlock));
  ASSERT_TRUE(data().SetSize(op(), old, 0, false));
  const Ino ino = MakeFile();
  ASSERT_TRUE(data().Allocate(op(), ino, 0, 0, 64 * kBlock));
  EXPECT_EQ(Shape(ino), "u64");
  EXPECT_EQ(ReadAll(ino), std::string(64 * kBlock, '\0'));
}

TEST_F(FileReadTest, OnlyRegularFilesHaveData) {
  const auto read = [&](Ino ino) { return data().Read(ino, 0, 1, [](std::span<const iovec>) {}); };
  EXPECT_EQ(read(Ino(kInoRoot)).error().code, EISDIR);
  const auto fifo = mounted().fs().MakeNode(op(), Ino(kInoRoot), "fifo", S_IFIFO | 0600, 0);
  ASSERT_TRUE(fifo);
  EXPECT_EQ(read(fifo->ino).error().code, EINVAL);
  EXPECT_EQ(read(Ino(100)).error().code, ESTALE);
}

TEST_F(FileReadTest, RelatimeNotesTheFirstReadAfterAWrite) {
  const Ino ino = MakeFile();
  WriteAt(ino, 0, "hello");
  const InodeRef inode = volume().live().Get(ino);
  const auto accessed = [&] {
    absl::MutexLock lock(&inode->times_lock);
    return inode->times.atime_dirty;
  };
  EXPECT_FALSE(accessed());
  const uint64_t sequence = SlotOf(ino).header.sequence;
  ReadAll(ino);
  EXPECT_TRUE(accessed());
  // Not written yet: reading costs no transaction.
  EXPECT_EQ(SlotOf(ino).header.sequence, sequence);
  ASSERT_TRUE(WriteLazyTimes(volume(), *inode));
  EXPECT_GE(SlotOf(ino).atime_sec, SlotOf(ino).mtime_sec);
  EXPECT_FALSE(accessed());
}

}  // namespace
}  // namespace holdfast::fsmeta
