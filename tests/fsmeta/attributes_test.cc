// SPDX-License-Identifier: Apache-2.0
// Attributes of a slot, in stat's units.
#include "fsmeta/attributes.h"

#include <gtest/gtest.h>

namespace holdfast::fsmeta {
namespace {

TEST(AttributesTest, ComeFromTheSlotInStatsUnits) {
  InodeSlot slot{};
  slot.header.owner = 77;
  slot.generation = 3;
  slot.mode = S_IFREG | 0640;
  slot.uid = 1000;
  slot.gid = 1001;
  slot.nlink = 2;
  slot.size = 5000;
  slot.blocks = 2;
  slot.rdev = 9;
  slot.atime_sec = 1;
  slot.mtime_sec = -2;
  slot.ctime_sec = 3;
  slot.btime_sec = 4;
  slot.mtime_nsec = 999'999'999;
  const Attributes attributes = AttributesOf(slot);
  EXPECT_EQ(attributes.generation, 3U);
  EXPECT_EQ(attributes.blocks, 16U);
  EXPECT_EQ(attributes.btime.tv_sec, 4);
  const struct stat st = attributes.ToStat();
  EXPECT_EQ(st.st_ino, 77U);
  EXPECT_EQ(st.st_mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_EQ(st.st_uid, 1000U);
  EXPECT_EQ(st.st_gid, 1001U);
  EXPECT_EQ(st.st_nlink, 2U);
  EXPECT_EQ(st.st_size, 5000);
  EXPECT_EQ(st.st_blocks, 16);
  EXPECT_EQ(st.st_blksize, 4096);
  EXPECT_EQ(st.st_rdev, 9U);
  EXPECT_EQ(st.st_mtim.tv_sec, -2);
  EXPECT_EQ(st.st_mtim.tv_nsec, 999'999'999);
}

TEST(AttributesTest, NowDoesNotGoBack) {
  const timespec first = Now();
  const timespec second = Now();
  EXPECT_GT(first.tv_sec, 1'600'000'000);
  EXPECT_TRUE(second.tv_sec > first.tv_sec ||
              (second.tv_sec == first.tv_sec && second.tv_nsec >= first.tv_nsec));
}

}  // namespace
}  // namespace holdfast::fsmeta
