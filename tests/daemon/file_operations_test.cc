// SPDX-License-Identifier: Apache-2.0
// Open files over the protocol: bytes in and out, holes, preallocation, copies, what is refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>

#include <cerrno>
#include <string>

#include "tests/daemon/fake_mount.h"

namespace holdfast::daemon {
namespace {

using tests::BytesOf;
using tests::FuseReply;

class FileOperationsTest : public FakeMount {
 protected:
  using FakeMount::FakeMount;

  /// A page of the kernel's page cache.
  FuseReply WriteBack(const OpenFile& file, uint64_t offset, std::string_view data) {
    fuse_write_in in{};
    in.fh = file.handle;
    in.offset = offset;
    in.size = static_cast<uint32_t>(data.size());
    in.write_flags = FUSE_WRITE_CACHE;
    return kernel().Call(FUSE_WRITE, file.node, {BytesOf(in), data});
  }
  FuseReply Allocate(const OpenFile& file, uint32_t mode, uint64_t offset, uint64_t length) {
    const fuse_fallocate_in in{file.handle, offset, length, mode, 0};
    return kernel().Call(FUSE_FALLOCATE, file.node, {BytesOf(in)});
  }
  FuseReply Seek(const OpenFile& file, uint64_t offset, int whence) {
    const fuse_lseek_in in{file.handle, offset, static_cast<uint32_t>(whence), 0};
    return kernel().Call(FUSE_LSEEK, file.node, {BytesOf(in)});
  }
  static uint64_t Offset(const FuseReply& reply) { return reply.As<fuse_lseek_out>().offset; }
};

TEST_F(FileOperationsTest, WhatIsWrittenIsReadAndCounted) {
  const std::string data(100000, 'd');
  const OpenFile file = MakeFile("f", data);
  EXPECT_EQ(SizeOf(file.node), data.size());
  EXPECT_EQ(kernel().Read(file.node, file.handle, 0, 131072).Text(), data);
  EXPECT_EQ(kernel().Read(file.node, file.handle, 99999, 10).Text(), "d");
  EXPECT_EQ(kernel().Read(file.node, file.handle, 100000, 10).Text(), "");
  EXPECT_EQ(service().metrics().bytes_written.load(), data.size());
  EXPECT_EQ(service().metrics().bytes_read.load(), data.size() + 1);
}

TEST_F(FileOperationsTest, HolesReadZeroInOneReplyWithTheDataAround) {
  const OpenFile file = MakeFile("f", "head");
  kernel().Write(file.node, file.handle, 20480, "tail");
  const std::string all = kernel().Read(file.node, file.handle, 0, 65536).Text();
  ASSERT_EQ(all.size(), 20484U);
  EXPECT_EQ(all.substr(0, 4), "head");
  EXPECT_EQ(all.find_first_not_of('\0', 4), 20480U);
  EXPECT_EQ(Offset(Seek(file, 4096, SEEK_DATA)), 20480U);
  EXPECT_EQ(Offset(Seek(file, 0, SEEK_HOLE)), 4096U);
  EXPECT_EQ(Seek(file, 30000, SEEK_DATA).error, ENXIO);
}

TEST_F(FileOperationsTest, PunchesZeroesAndPreallocates) {
  const OpenFile file = MakeFile("f", std::string(12288, 'x'));
  EXPECT_EQ(Allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096).error, 0);
  EXPECT_EQ(Offset(Seek(file, 0, SEEK_HOLE)), 4096U);
  EXPECT_EQ(Allocate(file, 0, 0, 40960).error, 0);
  EXPECT_EQ(SizeOf(file.node), 40960U);
  EXPECT_EQ(Allocate(file, FALLOC_FL_KEEP_SIZE, 40960, 4096).error, 0);
  EXPECT_EQ(SizeOf(file.node), 40960U);
  EXPECT_EQ(Allocate(file, 0x4000, 0, 4096).error, EOPNOTSUPP);
  EXPECT_EQ(Allocate(file, 0, 0, uint64_t{1} << 62).error, EFBIG);
  EXPECT_EQ(Allocate(file, 0, 0, uint64_t{1} << 30).error, ENOSPC);
}

TEST_F(FileOperationsTest, CopiesShareBlocks) {
  const OpenFile source = MakeFile("s", std::string(40960, 's'));
  const OpenFile copy = MakeFile("c");
  const uint64_t free = service().filesystem().GetStatFs()->free;
  fuse_copy_file_range_in in{};
  in.fh_in = source.handle;
  in.nodeid_out = copy.node;
  in.fh_out = copy.handle;
  in.len = 40960;
  const FuseReply copied = kernel().Call(FUSE_COPY_FILE_RANGE, source.node, {BytesOf(in)});
  EXPECT_EQ(copied.As<fuse_write_out>().size, 40960U);
  EXPECT_EQ(kernel().Read(copy.node, copy.handle, 40000, 9999).Text(), std::string(960, 's'));
  EXPECT_GE(service().filesystem().GetStatFs()->free + 4, free) << "trees at most";
}

TEST_F(FileOperationsTest, OpenTruncatesWhenAsked) {
  const OpenFile file = MakeFile("f", "data");
  EXPECT_EQ(kernel().Open(file.node, O_RDWR | O_TRUNC).error, 0);
  EXPECT_EQ(SizeOf(file.node), 0U);
}

TEST_F(FileOperationsTest, DirectoriesAreNoFiles) {
  EXPECT_EQ(kernel().Read(kRoot, 0, 0, 100).error, EISDIR);
  EXPECT_EQ(kernel().Write(kRoot, 0, 0, "x").error, EISDIR);
  EXPECT_EQ(kernel().Wait(kernel().SendTruncate(kRoot, 0)).error, EISDIR);
}

TEST_F(FileOperationsTest, WritesPastTheLargestOffsetAreRefused) {
  const OpenFile file = MakeFile("f");
  EXPECT_EQ(kernel().Write(file.node, file.handle, uint64_t{1} << 60, "x").error, EFBIG);
  EXPECT_EQ(kernel().Write(file.node, file.handle, ~uint64_t{0} - 1, "x").error, EFBIG);
  EXPECT_EQ(SizeOf(file.node), 0U);
}

// The kernel's idea of the size may be from before a truncation or a collapse.
TEST_F(FileOperationsTest, AMappedPageWrittenBackLateDoesNotMoveTheEnd) {
  const OpenFile file = MakeFile("f", std::string(5000, 'x'));
  const std::string page(4096, 'p');
  EXPECT_EQ(WriteBack(file, 4096, page).As<fuse_write_out>().size, page.size());
  EXPECT_EQ(WriteBack(file, 8192, page).As<fuse_write_out>().size, page.size());
  EXPECT_EQ(SizeOf(file.node), 5000U);
  EXPECT_EQ(kernel().Read(file.node, file.handle, 4000, 8192).Text(),
            std::string(96, 'x') + page.substr(0, 904));
}

class WritebackCacheTest : public FileOperationsTest {
 protected:
  static Options WithWritebackCache() {
    Options options;
    options.cache = CacheMode::kWriteback;
    return options;
  }
  WritebackCacheTest() : FileOperationsTest(WithWritebackCache()) {}
};

TEST_F(WritebackCacheTest, ThePageCacheSaysWhereAFileEnds) {
  ASSERT_TRUE(service().features().writeback_cache);
  const OpenFile file = MakeFile("f", "short");
  EXPECT_EQ(WriteBack(file, 0, "a longer text").As<fuse_write_out>().size, 13U);
  EXPECT_EQ(SizeOf(file.node), 13U);
}

}  // namespace
}  // namespace holdfast::daemon
