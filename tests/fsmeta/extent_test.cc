// SPDX-License-Identifier: Apache-2.0
// Tests of single extents: their forms on the medium, and which the medium may hold.
#include "fsmeta/extent.h"

#include <gtest/gtest.h>

#include "tests/fsmeta/space_rig.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kBlock = 3 * 1024 + 100;

Extent MakeExtent(uint64_t file_block, uint64_t block, uint64_t length, uint32_t flags = 0) {
  return {FileBlock(file_block), {Pfn(block), BlockCount(length)}, flags};
}

class ExtentTest : public testing::Test {
 protected:
  int CodeOf(const ExtentRecord& record) {
    const auto extent = ToExtent(*rig_.allocator, record);
    return extent ? 0 : extent.error().code;
  }
  SpaceRig rig_;
};

TEST_F(ExtentTest, BothFormsSayTheSame) {
  for (const Extent& extent :
       {MakeExtent(0, kBlock, 1), MakeExtent(kMaxFileBlocks - 5, kBlock, 5, kExtentUnwritten)}) {
    EXPECT_EQ(*ToExtent(*rig_.allocator, ToInline(extent)), extent);
    EXPECT_EQ(*ToExtent(*rig_.allocator, ToTreeRecord(extent)), extent);
  }
}

TEST_F(ExtentTest, PartKeepsFileAndMediumInStep) {
  const Extent part = MakeExtent(10, 100, 20, kExtentUnwritten).Part(FileBlock(15), FileBlock(18));
  EXPECT_EQ(part, MakeExtent(15, 105, 3, kExtentUnwritten));
  EXPECT_EQ(part.end(), FileBlock(18));
  EXPECT_TRUE(part.unwritten());
}

TEST_F(ExtentTest, WhatNoFileCanHaveIsCorruption) {
  const ExtentRecord sound = ToInline(MakeExtent(7, kBlock, 10));
  ASSERT_EQ(CodeOf(sound), 0);
  const auto expect_corrupt = [&](auto damage) {
    ExtentRecord record = sound;
    damage(record);
    EXPECT_EQ(CodeOf(record), EUCLEAN);
  };
  const Superblock& superblock = rig_.parts.superblock();
  expect_corrupt([](ExtentRecord& r) { r.length = 0; });
  expect_corrupt([](ExtentRecord& r) { r.length = 1024; });
  expect_corrupt([](ExtentRecord& r) { r.length = ~0U; });
  expect_corrupt([](ExtentRecord& r) { r.flags = 2; });
  expect_corrupt([](ExtentRecord& r) { r.block = 0; });
  expect_corrupt([](ExtentRecord& r) { r.block = 3 * 1024; });  // a group's header
  expect_corrupt([](ExtentRecord& r) { r.block = ~uint64_t{0}; });
  expect_corrupt([&](ExtentRecord& r) { r.block = superblock.journal_start; });
  expect_corrupt([&](ExtentRecord& r) { r.block = superblock.block_count - 10; });
  expect_corrupt([&](ExtentRecord& r) { r.block = superblock.block_count; });
  expect_corrupt([](ExtentRecord& r) { r.file_block = kMaxFileBlocks - 9; });
  expect_corrupt([](ExtentRecord& r) { r.file_block = ~uint64_t{0} - 3; });
}

TEST_F(ExtentTest, ContinuesMeansInTheFileAndOnTheMedium) {
  const Allocator& allocator = *rig_.allocator;
  const Extent left = MakeExtent(0, kBlock, 10);
  EXPECT_TRUE(Continues(allocator, left, MakeExtent(10, kBlock + 10, 5)));
  EXPECT_FALSE(Continues(allocator, left, MakeExtent(11, kBlock + 10, 5)));
  EXPECT_FALSE(Continues(allocator, left, MakeExtent(10, kBlock + 11, 5)));
  EXPECT_FALSE(Continues(allocator, left, MakeExtent(10, kBlock + 10, 5, kExtentUnwritten)));
  EXPECT_FALSE(Continues(allocator, MakeExtent(10, kBlock + 10, 5), left));
}

}  // namespace
}  // namespace holdfast::fsmeta
