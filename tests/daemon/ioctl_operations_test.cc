// SPDX-License-Identifier: Apache-2.0
// The ioctls over the protocol: every argument that no sane program sends, then those that work.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "tests/daemon/ioctl_fixture.h"

namespace holdfast::daemon {
namespace {

using tests::BytesOf;
using tests::FuseReply;

class IoctlOperationsTest : public IoctlFixture {
 protected:
  static holdfast_range Range(uint64_t offset, uint64_t length, uint32_t flags = 0) {
    return {sizeof(holdfast_range), flags, offset, length};
  }
};

TEST_F(IoctlOperationsTest, WhatIsNotOursIsEnotty) {
  const uint64_t nothing = 0;
  EXPECT_EQ(Ask(file_, _IOWR('T', 1, uint64_t), nothing).error, ENOTTY);
  EXPECT_EQ(Ask(file_, _IOWR(HOLDFAST_IOC_MAGIC, 255, uint64_t), nothing).error, ENOTTY);
  EXPECT_EQ(Ask(file_, 0, nothing).error, ENOTTY);
}

TEST_F(IoctlOperationsTest, AnArgumentOfAnotherSizeIsRefused) {
  constexpr unsigned long kCommands[] = {
      HOLDFAST_IOC_COLLAPSE, HOLDFAST_IOC_INSERT, HOLDFAST_IOC_UNSHARE, HOLDFAST_IOC_SHARE,
      HOLDFAST_IOC_REFLINK,  HOLDFAST_IOC_LAYOUT, HOLDFAST_IOC_QUERY};
  for (const unsigned long command : kCommands) {
    const size_t size = _IOC_SIZE(command);
    for (const size_t sent : {size_t{0}, size_t{3}, size - 1, size + 8}) {
      std::string bytes(sent, '\0');
      const auto says = static_cast<uint32_t>(size);
      if (sent >= sizeof(says)) bytes.replace(0, sizeof(says), BytesOf(says));
      EXPECT_EQ(
          kernel().Ioctl(file_.node, file_.handle, static_cast<uint32_t>(command), bytes).error,
          EINVAL)
          << _IOC_NR(command) << " with " << sent << " bytes";
    }
    std::string lies(size, '\0');  // its size field is 0
    EXPECT_EQ(kernel().Ioctl(file_.node, file_.handle, static_cast<uint32_t>(command), lies).error,
              EINVAL);
  }
}

TEST_F(IoctlOperationsTest, UnknownFlagsAndImpossibleRangesAreRefused) {
  constexpr uint64_t kEnd = uint64_t{1} << 60;
  for (const unsigned long command :
       {HOLDFAST_IOC_COLLAPSE, HOLDFAST_IOC_INSERT, HOLDFAST_IOC_UNSHARE}) {
    EXPECT_EQ(Ask(file_, command, Range(0, 4096, 1)).error, EOPNOTSUPP);
    EXPECT_EQ(Ask(file_, command, Range(0, 0)).error, EINVAL);
    EXPECT_EQ(Ask(file_, command, Range(kEnd, 4096)).error, EINVAL);
    EXPECT_EQ(Ask(file_, command, Range(4096, ~uint64_t{0})).error, EINVAL);
    EXPECT_EQ(Ask(file_, command, Range(~uint64_t{0}, 4096)).error, EINVAL);
  }
  EXPECT_EQ(SizeOf(file_.node), 16384U);
}

TEST_F(IoctlOperationsTest, ChangingAFileNeedsItOpenForWriting) {
  const OpenFile reader = OpenAgain(O_RDONLY);
  EXPECT_EQ(Ask(reader, HOLDFAST_IOC_COLLAPSE, Range(0, 4096)).error, EBADF);
  EXPECT_EQ(Ask(reader, HOLDFAST_IOC_REFLINK, Sized<holdfast_reflink>()).error, EBADF);
  const OpenFile writer = OpenAgain(O_WRONLY);
  EXPECT_EQ(Ask(writer, HOLDFAST_IOC_SHARE, Sized<holdfast_share>()).error, EBADF);
}

TEST_F(IoctlOperationsTest, CollapseAndInsertShiftWhatFollows) {
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_COLLAPSE, Range(0, 4096)).error, 0);
  EXPECT_EQ(SizeOf(file_.node), 12288U);
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_INSERT, Range(4096, 8192)).error, 0);
  EXPECT_EQ(SizeOf(file_.node), 20480U);
  EXPECT_EQ(kernel().Read(file_.node, file_.handle, 4096, 8192).Text(), std::string(8192, '\0'));
  EXPECT_EQ(Ask(file_, HOLDFAST_IOC_COLLAPSE, Range(100, 4096)).error, EINVAL);
}

TEST_F(IoctlOperationsTest, WhatTheKernelKeepsIsForgottenBeforeAndAfterAChange) {
  ASSERT_EQ(Ask(file_, HOLDFAST_IOC_COLLAPSE, Range(0, 4096)).error, 0);
  EXPECT_EQ(kernel().notifications(),
            (std::vector<int>{FUSE_NOTIFY_INVAL_INODE, FUSE_NOTIFY_INVAL_INODE}));
}

TEST_F(IoctlOperationsTest, TheKernelIsShownTheLastByteOfAFileThatGrew) {
  const std::vector<int> grew{FUSE_NOTIFY_INVAL_INODE, FUSE_NOTIFY_STORE, FUSE_NOTIFY_INVAL_INODE};
  ASSERT_EQ(Ask(file_, HOLDFAST_IOC_INSERT, Range(4096, 4096)).error, 0);
  EXPECT_EQ(kernel().notifications(), grew);
}

TEST_F(IoctlOperationsTest, AReflinkBeforeTheEndShowsTheKernelNoByte) {
  const OpenFile target = MakeFile("target", std::string(kBytes, 'y'));
  auto link = Sized<holdfast_reflink>();
  const auto share = Out<holdfast_share>(Ask(file_, HOLDFAST_IOC_SHARE, Sized<holdfast_share>()));
  std::ranges::copy(share.token, link.token);
  link.length = 4096;
  ASSERT_EQ(Ask(target, HOLDFAST_IOC_REFLINK, link).error, 0);
  EXPECT_EQ(std::ranges::count(kernel().notifications(), FUSE_NOTIFY_STORE), 0);
  link.destination_offset = kBytes;
  ASSERT_EQ(Ask(target, HOLDFAST_IOC_REFLINK, link).error, 0);
  EXPECT_EQ(std::ranges::count(kernel().notifications(), FUSE_NOTIFY_STORE), 1);
}

TEST_F(IoctlOperationsTest, ReflinkNeedsATokenOfAnOpenSource) {
  const OpenFile clone = MakeFile("clone");
  auto link = Sized<holdfast_reflink>();
  EXPECT_EQ(Ask(clone, HOLDFAST_IOC_REFLINK, link).error, ESTALE) << "no token is all zeroes";
  const FuseReply shared = Ask(file_, HOLDFAST_IOC_SHARE, Sized<holdfast_share>());
  const auto share = Out<holdfast_share>(shared);
  std::copy(std::begin(share.token), std::end(share.token), std::begin(link.token));
  EXPECT_EQ(Ask(clone, HOLDFAST_IOC_REFLINK, link).error, 0);
  EXPECT_EQ(SizeOf(clone.node), 16384U);
  link.source_offset = ~uint64_t{0};
  EXPECT_EQ(Ask(clone, HOLDFAST_IOC_REFLINK, link).error, EINVAL);
  EXPECT_EQ(kernel().Release(file_.node, file_.handle).error, 0);
  link.source_offset = 0;
  EXPECT_EQ(Ask(clone, HOLDFAST_IOC_REFLINK, link).error, ESTALE) << "the source was closed";
}

TEST_F(IoctlOperationsTest, LayoutIsPaged) {
  // Every other block, so that each is an extent of its own.
  for (uint64_t i = 0; i < 200; i += 2) kernel().Write(file_.node, file_.handle, i << 13, "x");
  auto layout = Sized<holdfast_layout>();
  uint64_t seen = 0;
  while (layout.offset < 200 << 13) {
    const FuseReply reply = Ask(file_, HOLDFAST_IOC_LAYOUT, layout);
    ASSERT_EQ(reply.error, 0);
    const auto page = Out<holdfast_layout>(reply);
    ASSERT_LE(page.count, unsigned{HOLDFAST_LAYOUT_MAX});
    ASSERT_GT(page.next, layout.offset) << "it goes on";
    for (uint32_t i = 0; i < page.count; ++i) seen += page.extents[i].state == HOLDFAST_WRITTEN;
    layout.offset = page.next;
  }
  EXPECT_GE(seen, 99U);
}

}  // namespace
}  // namespace holdfast::daemon
