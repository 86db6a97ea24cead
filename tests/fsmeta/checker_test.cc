// SPDX-License-Identifier: Apache-2.0
// The checker on new filesystems: clean as they are, and a finding for whatever field is changed.
#include "fsmeta/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "fsmeta/format_region.h"
#include "fsmeta/group_layout.h"
#include "tests/support/damaged_image.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using tests::DamagedImage;
using tests::FormattedMedium;

constexpr uint64_t kMiB = uint64_t{1} << 20;

DamagedImage NewImage(uint64_t bytes = 4 * kMiB) {
  const auto region = Region::InMemory(bytes);
  EXPECT_TRUE(FormatRegion(*region, {}));
  return DamagedImage({region->base(), region->base() + region->size()});
}

class CheckNew : public testing::TestWithParam<uint64_t> {};

TEST_P(CheckNew, IsClean) {
  const auto region = Region::InMemory(GetParam());
  ASSERT_TRUE(FormatRegion(*region, {}));
  const auto report = CheckFilesystem({region->base(), region->size()}, "new");
  ASSERT_TRUE(report);
  EXPECT_THAT(report->findings(), IsEmpty()) << report->findings().front().Text();
  EXPECT_EQ(report->totals.directories, 1U);
  EXPECT_EQ(report->totals.inodes, 4U);
  EXPECT_EQ(report->totals.files, 0U);
  EXPECT_LT(report->totals.used_blocks, report->totals.blocks / 10);
}

INSTANTIATE_TEST_SUITE_P(Bytes, CheckNew,
                         testing::Values(4 * kMiB, 4 * kMiB + 8192, 5 * kMiB, 100 * kMiB + 4096 * 3,
                                         1024 * kMiB));

TEST(Checker, WhatIsNoFilesystemIsAnError) {
  std::vector<std::byte> nothing(4 * kMiB);
  EXPECT_EQ(CheckFilesystem(nothing, "x").error().code, EINVAL);
  DamagedImage image = NewImage();
  const auto half = image.bytes().first(2 * kMiB);
  EXPECT_EQ(CheckFilesystem(half, "x").error().code, ENXIO);
}

TEST(Checker, CorruptSuperblocksAreFindings) {
  DamagedImage image = NewImage();
  image.raw()[100] ^= std::byte{1};
  EXPECT_THAT(image.Findings(), Contains(HasSubstr("superblock: ")));
  image.raw()[4 * kMiB - 4000] ^= std::byte{1};
  EXPECT_THAT(image.Findings(), Contains(HasSubstr("both superblocks")));
}

// A power failure may tear the one that a mount is writing; the next mount writes both.
TEST(Checker, OneTornSuperblockIsNoError) {
  for (const uint64_t at : {uint64_t{100}, 4 * kMiB - 4000}) {
    DamagedImage image = NewImage();
    image.raw()[at] ^= std::byte{1};
    const auto report = CheckFilesystem(image.bytes(), "x");
    ASSERT_TRUE(report) << report.error().Text();
    EXPECT_TRUE(report->clean());
    EXPECT_THAT(image.Findings(), testing::SizeIs(1));
  }
}

TEST(Checker, CopiesOfOneSequenceMustAgree) {
  DamagedImage image = NewImage();
  image.Change<Superblock>(0, [](Superblock& s) { s.mounted_at = 5; });
  EXPECT_THAT(image.Findings(), Contains("superblock: and its copy differ"));
  image.Change<Superblock>(0, [](Superblock& s) { --s.header.sequence; });
  EXPECT_THAT(image.Findings(), Contains(HasSubstr("interrupted")));
  EXPECT_TRUE(CheckFilesystem(image.bytes(), "x")->clean());
}

// One changed field of one object, sealed again, and what the check must say of it.
struct FieldCase {
  const char* name;
  std::function<void(DamagedImage&)> damage;
  const char* finding;
};

void PrintTo(const FieldCase& c, std::ostream* out) { *out << c.name; }

std::function<void(DamagedImage&)> Group(std::function<void(GroupHeader&)> change) {
  return [=](DamagedImage& i) { i.Change<GroupHeader>(i.GroupOffset(1), change); };
}
std::function<void(DamagedImage&)> Cluster(std::function<void(InodeCluster&)> change) {
  return [=](DamagedImage& i) { i.Change<InodeCluster>(i.ClusterOffset(), change); };
}
std::function<void(DamagedImage&)> Slot(uint64_t ino, std::function<void(InodeSlot&)> change) {
  return [=](DamagedImage& i) { i.Change<InodeSlot>(i.SlotOffset(ino), change); };
}
std::function<void(DamagedImage&)> Leaf(std::function<void(TreeNode&)> change) {
  return [=](DamagedImage& i) { i.Change<TreeNode>(i.ClusterOffset() + 18 * 4096, change); };
}
std::function<void(DamagedImage&)> Orphans(std::function<void(OrphanBlock&)> change) {
  return [=](DamagedImage& i) { i.Change<OrphanBlock>(i.ClusterOffset() + 16 * 4096, change); };
}
std::function<void(DamagedImage&)> Quarantine(std::function<void(QuarantineBlock&)> change) {
  return [=](DamagedImage& i) { i.Change<QuarantineBlock>(i.ClusterOffset() + 17 * 4096, change); };
}
std::function<void(DamagedImage&)> Bitmap(std::function<void(BitmapBlock&)> change) {
  return [=](DamagedImage& i) { i.Change<BitmapBlock>(i.BitmapOffset(1), change); };
}
std::function<void(DamagedImage&)> FirstExtentOf(uint64_t ino,
                                                 std::function<void(ExtentRecord&)> change) {
  return Slot(ino, [=](InodeSlot& s) {
    ExtentRecord extent;
    std::memcpy(&extent, s.inline_area, sizeof(extent));
    change(extent);
    std::memcpy(s.inline_area, &extent, sizeof(extent));
  });
}
// Offset of reverse-map record `i` in the leaf's body.
uint64_t* LeafWord(TreeNode& n, size_t record, size_t word) {
  return reinterpret_cast<uint64_t*>(n.body + 120 + record * 32) + word;
}

const FieldCase kFieldCases[] = {
    {"SuperblockReserved",
     [](DamagedImage& i) {
       for (const uint64_t at : {uint64_t{0}, 4 * kMiB - 4096}) {
         i.Change<Superblock>(at, [](Superblock& s) { s.reserved[9] = 1; });
       }
     },
     "superblock: reserved"},
    {"SuperblockFlags",
     [](DamagedImage& i) {
       for (const uint64_t at : {uint64_t{0}, 4 * kMiB - 4096}) {
         i.Change<Superblock>(at, [](Superblock& s) { s.flags = 64; });
       }
     },
     "superblock: flags 64"},

    {"GroupMagic", Group([](GroupHeader& g) { g.header.magic = 1; }), "group 1: "},
    {"GroupOwner", Group([](GroupHeader& g) { g.header.owner = 0; }), "belongs to 0, expected 1"},
    {"GroupSelf", Group([](GroupHeader& g) { g.header.self = 0; }), "says it is at byte 0"},
    {"GroupUuid", Group([](GroupHeader& g) { g.header.uuid[3] ^= 1; }), "uuid"},
    {"GroupSequence", Group([](GroupHeader& g) { g.header.sequence = ~uint64_t{0}; }), "sequence"},
    {"GroupHeaderReserved", Group([](GroupHeader& g) { g.header.reserved[1] = 1; }), "reserved"},
    {"GroupStart", Group([](GroupHeader& g) { ++g.start; }), "group 1: start is 513, expected 512"},
    {"GroupBlocks", Group([](GroupHeader& g) { --g.blocks; }), "group 1: blocks is 511"},
    {"GroupFree", Group([](GroupHeader& g) { --g.free_blocks; }), "group 1: free_blocks is"},
    {"GroupBitmapStart", Group([](GroupHeader& g) { ++g.bitmap_start; }), "bitmap_start is"},
    {"GroupBitmapBlocks", Group([](GroupHeader& g) { ++g.bitmap_blocks; }), "bitmap_blocks is"},
    {"GroupReserved", Group([](GroupHeader& g) { g.reserved[3000] = 1; }), "reserved fields"},
    {"GroupReserved0", Group([](GroupHeader& g) { g.reserved0[1] = 1; }), "reserved fields"},
    {"GroupRefcountNode", Group([](GroupHeader& g) { g.refcounts.node = 600; }), "tree root"},
    {"GroupRefcountHeight", Group([](GroupHeader& g) { g.refcounts.height = 1; }), "empty tree"},
    {"GroupTreeOutside", Group([](GroupHeader& g) {
       g.reverse_map = {~uint64_t{0} >> 12, 1, static_cast<uint32_t>(TreeKind::kReverseMap)};
     }),
     "outside the filesystem"},
    {"GroupTreeTooHigh", Group([](GroupHeader& g) {
       g.reverse_map = {600, 9, static_cast<uint32_t>(TreeKind::kReverseMap)};
     }),
     "height 9"},

    {"BitmapUsedWithoutOwner", Bitmap([](BitmapBlock& b) { b.bits[3] |= 0xf0; }),
     "4 blocks without an owner are marked used, the first is 708"},
    {"BitmapOwnedButFree", Bitmap([](BitmapBlock& b) { b.bits[0] &= ~uint64_t{1}; }),
     "1 owned blocks are marked free, the first is 512"},
    {"BitmapBeyond", Bitmap([](BitmapBlock& b) { b.bits[8] = 0; }), "past its end"},
    {"BitmapUnsound", [](DamagedImage& i) { i.raw()[i.BitmapOffset(1) + 500] ^= std::byte{1}; },
     "bitmap in block 513: checksum"},

    {"ClusterFirstIno", Cluster([](InodeCluster& c) { c.first_ino = 120; }), "first_ino is 120"},
    {"ClusterFree", Cluster([](InodeCluster& c) { ++c.free_count; }), "free_count is 105"},
    {"ClusterUsedBit", Cluster([](InodeCluster& c) { c.used[1] |= 1; }),
     "inode 64: in use by its slot is 0, expected 1"},
    {"ClusterLostBit", Cluster([](InodeCluster& c) { c.used[0] &= ~uint64_t{2}; }),
     "inode 1: in use by its slot is 1, expected 0"},
    {"ClusterReservedBit", Cluster([](InodeCluster& c) { c.used[0] &= ~uint64_t{1}; }),
     "inode 0: is reserved"},
    {"ClusterBeyond", Cluster([](InodeCluster& c) { c.used[1] &= ~(uint64_t{1} << 63); }),
     "past its last slot"},
    {"ClusterReserved", Cluster([](InodeCluster& c) { c.reserved[7] = 1; }), "reserved fields"},
    {"ClusterUnsound", [](DamagedImage& i) { i.raw()[i.ClusterOffset() + 70] ^= std::byte{1}; },
     "inode cluster 0 in block 35: "},

    {"FreeSlotUnsound", [](DamagedImage& i) { i.raw()[i.SlotOffset(99) + 300] ^= std::byte{1}; },
     "inode 99: "},
    {"RootMode", Slot(1, [](InodeSlot& s) { s.mode = 0100644; }), "is the root and no directory"},
    {"RootModeUnknown", Slot(1, [](InodeSlot& s) { s.mode = 0170755; }), "mode 61933 is none"},
    {"RootModeBits", Slot(1, [](InodeSlot& s) { s.mode |= 1 << 20; }), "is none"},
    {"RootLinks", Slot(1, [](InodeSlot& s) { s.nlink = 3; }),
     "directory 1: nlink is 3, expected 2"},
    {"RootDeleted", Slot(1, [](InodeSlot& s) { s.nlink = 0; }), "not in the orphan file"},
    {"RootSize", Slot(1, [](InodeSlot& s) { s.size = 4096; }), "inode 1: size is 4096, expected 0"},
    {"RootBlocks", Slot(1, [](InodeSlot& s) { s.blocks = 1; }), "inode 1: blocks is 1, expected 0"},
    {"RootFlags", Slot(1, [](InodeSlot& s) { s.flags = 0x80; }), "flags 128"},
    {"RootAclFlag", Slot(1, [](InodeSlot& s) { s.flags = kInodeHasAcl; }), "access list"},
    {"RootGeneration", Slot(1, [](InodeSlot& s) { s.generation = 0; }), "generation is 0"},
    {"RootRdev", Slot(1, [](InodeSlot& s) { s.rdev = 1; }), "rdev is 1"},
    {"RootParent", Slot(1, [](InodeSlot& s) { s.parent = 2; }), "directory 1: parent is 2"},
    {"RootOrphanSlot", Slot(1, [](InodeSlot& s) { s.orphan_slot = 2; }), "orphan_slot is 2"},
    {"RootTime", Slot(1, [](InodeSlot& s) { s.mtime_nsec = 1'000'000'000; }), "nanoseconds"},
    {"RootXattrOutside", Slot(1, [](InodeSlot& s) { s.xattr_block = 99999999; }),
     "attribute block 99999999: "},
    {"RootXattrWrong", Slot(1, [](InodeSlot& s) { s.xattr_block = 51; }), "attribute block 51: "},
    {"RootForm", Slot(1, [](InodeSlot& s) { s.data_form = 9; }), "data form 9"},
    {"RootInlineForm", Slot(1, [](InodeSlot& s) { s.data_form = 1; }), "no symlink"},
    {"RootInlineCount", Slot(1, [](InodeSlot& s) { s.inline_count = 3; }), "counts inline"},
    {"RootExtentRoot", Slot(1, [](InodeSlot& s) { s.extents.node = 54; }), "extent tree"},
    {"RootIndex",
     Slot(1,
          [](InodeSlot& s) { s.dir_index = {54, 1, static_cast<uint32_t>(TreeKind::kDirectory)}; }),
     "index for a single block"},
    {"RootEntries", Slot(1, [](InodeSlot& s) { s.dir_entries = 1; }), "dir_entries is 1"},
    {"RootSubdirs", Slot(1, [](InodeSlot& s) { s.dir_subdirs = 1; }), "dir_subdirs is 1"},
    {"RootReserved", Slot(1, [](InodeSlot& s) { s.reserved2[1] = 1; }), "reserved fields"},
    {"RootReserved1", Slot(1, [](InodeSlot& s) { s.reserved1 = 1; }), "reserved fields"},
    {"SystemFileMode", Slot(3, [](InodeSlot& s) { s.mode = 040755; }), "is a system file"},
    {"SystemFileLinks", Slot(3, [](InodeSlot& s) { s.nlink = 2; }), "inode 3: nlink is 2"},
    {"SystemFileParent", Slot(3, [](InodeSlot& s) { s.parent = 1; }), "parent is 1, expected 0"},
    {"SystemFileEntries", Slot(3, [](InodeSlot& s) { s.dir_entries = 1; }), "dir_entries is 1"},
    {"SystemFileIndex", Slot(3, [](InodeSlot& s) { s.dir_index.height = 1; }), "is no directory"},
    {"SystemFileSize", Slot(3, [](InodeSlot& s) { s.size = 100; }), "inode 3: size is 100"},
    {"SystemFileGone", Slot(4, [](InodeSlot& s) { s.mode = 0; }), "inode 4: in use"},
    {"UnusedBytes", Slot(3, [](InodeSlot& s) { s.inline_area[200] = 1; }), "that nothing uses"},
    {"TruncatedDirectory", Slot(1, [](InodeSlot& s) { s.flags = kInodeTruncating; }),
     "is being truncated, but no regular file"},
    {"FreeSlotNotCleared", Slot(50, [](InodeSlot& s) { s.size = 5; }), "inode 50: is free, but"},
    {"SlotInUseUnmarked", Slot(50, [](InodeSlot& s) { s.mode = 0100644; }), "inode 50: in use"},

    {"ExtentCount", Slot(3, [](InodeSlot& s) { s.inline_count = 11; }), "11 inline extents"},
    {"ExtentEmpty", FirstExtentOf(3, [](ExtentRecord& e) { e.length = 0; }), "is empty"},
    {"ExtentFlags", FirstExtentOf(3, [](ExtentRecord& e) { e.flags = 2; }), "unknown flags"},
    {"ExtentUnwritten", FirstExtentOf(3, [](ExtentRecord& e) { e.flags = 1; }), "unwritten"},
    {"ExtentOutside", FirstExtentOf(3, [](ExtentRecord& e) { e.block = ~uint64_t{0}; }),
     "outside the filesystem"},
    {"ExtentAcrossGroups",
     FirstExtentOf(3,
                   [](ExtentRecord& e) {
                     e.block = 500;
                     e.length = 20;
                   }),
     "crosses the end of a group"},
    {"ExtentTooFar", FirstExtentOf(3, [](ExtentRecord& e) { e.file_block = uint64_t{1} << 50; }),
     "past the largest file"},
    {"ExtentMoved", FirstExtentOf(3, [](ExtentRecord& e) { e.block = 200; }), "reverse map"},
    {"ExtentOnSuperblock", FirstExtentOf(3, [](ExtentRecord& e) { e.block = 0; }),
     "lies where no file may be"},
    {"InodeFileMoved", FirstExtentOf(2, [](ExtentRecord& e) { e.block = 300; }),
     "first cluster is not in block 35"},
    {"InodeFileUnsound", [](DamagedImage& i) { i.raw()[i.SlotOffset(2) + 70] ^= std::byte{1}; },
     "inode 2: "},

    {"LeafCount", Leaf([](TreeNode& n) { n.node.count = 2; }), "reverse map lacks"},
    {"LeafCountZero", Leaf([](TreeNode& n) { n.node.count = 0; }), "holds 0 records"},
    {"LeafCountHuge", Leaf([](TreeNode& n) { n.node.count = 60000; }), "holds 60000 records"},
    {"LeafLevel", Leaf([](TreeNode& n) { n.node.level = 1; }), "level 1"},
    {"LeafCapacity", Leaf([](TreeNode& n) { n.node.capacity = 119; }), "capacity is 119"},
    {"LeafKind", Leaf([](TreeNode& n) { n.node.kind = 9; }), "kind"},
    {"LeafReserved", Leaf([](TreeNode& n) { n.node.reserved1 = 9; }), "reserved fields"},
    {"LeafOwner", Leaf([](TreeNode& n) { n.node.header.owner = 1; }), "belongs to 1"},
    {"LeafSlots", Leaf([](TreeNode& n) { n.body[5] = n.body[6]; }), "permutation"},
    {"LeafOrder", Leaf([](TreeNode& n) { std::swap(n.body[0], n.body[1]); }), "out of order"},
    {"LeafForeign", Leaf([](TreeNode& n) { *LeafWord(n, 2, 1) = 77; }), "no such extent"},
    {"LeafLength", Leaf([](TreeNode& n) { ++*LeafWord(n, 1, 3); }),
     "length and flags of the reverse-map record"},

    {"OrphanUnknown", Orphans([](OrphanBlock& o) { o.ino[5] = 999; }),
     "orphan file entry 5: lists inode 999"},
    {"OrphanLive", Orphans([](OrphanBlock& o) { o.ino[5] = 1; }), "lists inode 1"},
    {"OrphanUnsound",
     [](DamagedImage& i) { i.raw()[i.ClusterOffset() + 16 * 4096 + 90] ^= std::byte{1}; },
     "orphan file: "},
    {"QuarantineOutside",
     Quarantine([](QuarantineBlock& q) { q.records[3] = {5000, 2, {}, 1, 1, 0, 0, 0}; }),
     "quarantine file block 0 record 3"},
    {"QuarantineFree",
     Quarantine([](QuarantineBlock& q) { q.records[3] = {300, 2, {}, 1, 1, 0, 0, 0}; }),
     "2 owned blocks are marked free, the first is 300"},
    {"QuarantineOwned",
     Quarantine([](QuarantineBlock& q) { q.records[3] = {36, 1, {}, 1, 1, 0, 0, 0}; }),
     "inode 2, quarantine"},
    {"QuarantineKind", Quarantine([](QuarantineBlock& q) { q.records[3].kind = 7; }),
     "quarantine file block 0 record 3: is of an unknown kind"},
    {"QuarantineNoRun",
     Quarantine([](QuarantineBlock& q) { q.records[3] = {7, 0, {}, 0, 3, 1, 1, 20}; }),
     "quarantine file block 0 record 3: is no run, but has blocks"},
    {"QuarantineNoProcess",
     Quarantine([](QuarantineBlock& q) { q.records[3] = {0, 0, {}, 0, 3, ~0U, 1, 20}; }),
     "names an impossible process"},
    {"QuarantineNotCleared", Quarantine([](QuarantineBlock& q) { q.records[3].length = 7; }),
     "is free, but not cleared"},
    {"QuarantineUnsound",
     [](DamagedImage& i) { i.raw()[i.ClusterOffset() + 17 * 4096 + 90] ^= std::byte{1}; },
     "quarantine file: "},

    {"LaneMagic",
     [](DamagedImage& i) { i.raw()[i.superblock().journal_start * 4096] ^= std::byte{1}; },
     "journal lane 0: its head has no magic"},
    {"LaneIndex",
     [](DamagedImage& i) { i.raw()[i.superblock().journal_start * 4096 + 32] ^= std::byte{1}; },
     "journal lane 0: its head names another lane"},
};

class CheckField : public testing::TestWithParam<FieldCase> {};

TEST_P(CheckField, IsFound) {
  DamagedImage image = NewImage();
  GetParam().damage(image);
  EXPECT_THAT(image.Findings(), Contains(HasSubstr(GetParam().finding)));
}

INSTANTIATE_TEST_SUITE_P(Each, CheckField, testing::ValuesIn(kFieldCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Every byte of every object that is there matters to somebody.
TEST(Checker, EveryChangedByteOfMetadataIsFound) {
  DamagedImage image = NewImage();
  const uint64_t first_free = image.superblock().inode_cluster0 + 19;
  const uint64_t journal = image.superblock().journal_start;
  const uint64_t journal_end = image.superblock().inode_cluster0;
  for (uint64_t at = 0; at < first_free * 4096; at += 37) {
    const uint64_t block = at / 4096;
    if (block >= journal && block < journal_end) continue;  // lanes: JournalTest
    image.raw()[at] ^= std::byte{0x20};
    EXPECT_THAT(image.Findings(), Not(IsEmpty())) << "byte " << at;
    image.raw()[at] ^= std::byte{0x20};
  }
}

// Garbage with right checksums: whatever the words say, the check ends and stays inside.
TEST(Checker, SurvivesRandomSealedGarbage) {
  const DamagedImage good = NewImage();
  const uint64_t first = good.GroupOffset(0) / 4096;
  const uint64_t last = good.superblock().inode_cluster0 + 19;
  int found = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    DamagedImage image = good;
    std::mt19937_64 random(seed);
    for (int change = 0; change < 6; ++change) {
      const uint64_t block = first + random() % (last - first);
      const uint64_t slots = good.superblock().inode_cluster0;
      const bool in_slots = block > slots && block < slots + 16;
      const uint64_t size = in_slots ? 512 : 4096;
      const uint64_t object = block * 4096 + (in_slots ? random() % 8 * 512 : 0);
      for (int word = 0; word < 3; ++word) {
        const uint64_t value = random() % 2 == 0 ? random() : random() % 2048;
        std::memcpy(image.raw().data() + object + 64 + random() % ((size - 64) / 8) * 8, &value, 8);
      }
      image.Reseal(object, size);
    }
    const auto report = CheckFilesystem(image.bytes(), "garbage");
    if (!report || !report->clean()) ++found;
  }
  // Not all: a timestamp or a record that is not in use may be anything.
  EXPECT_GT(found, 250);
}

TEST(Checker, SeesTheFilesystemAsAfterReplayAndWritesNothing) {
  FormattedMedium parts;
  // A live record that takes a bit of the bitmap back and forth would be clean; this one breaks it.
  const uint64_t bitmap = DamagedImage(parts.Image()).BitmapOffset(1);
  BitmapBlock changed;
  std::memcpy(&changed, parts.region().At(bitmap), sizeof(changed));
  changed.bits[5] = 0xff;
  changed.header.crc32c = 0;
  SealObject(&changed, {ObjectType::kBitmap, bitmap, kMetadataBlock, 1}, parts.medium().uuid(), 9);
  const auto* bytes = reinterpret_cast<const std::byte*>(&changed);
  const uint64_t lines[] = {bitmap / kLine, bitmap / kLine + 1};
  const std::byte* const contents[] = {bytes, bytes + kLine};
  ASSERT_TRUE(parts.journal().Begin({.sequence = 9, .lines = lines, .contents = contents}));
  const auto before = parts.Image();
  const DamagedImage image(before);
  EXPECT_THAT(image.Findings(), Contains(HasSubstr("journal lane 0: holds a record")));
  EXPECT_THAT(image.Findings(), Contains(HasSubstr("8 blocks without an owner are marked used")));
  EXPECT_EQ(parts.Image(), before);
}

TEST(Checker, RecordsThatContradictEachOtherAreFound) {
  FormattedMedium parts;
  const uint64_t line = ByteOffset(parts.first_free()) / kLine;
  const std::byte zeroes[kLine] = {};
  const std::byte* const contents[] = {zeroes};
  const JournalRecord record{.sequence = 9, .lines = std::span(&line, 1), .contents = contents};
  ASSERT_TRUE(parts.journal().Begin(record));
  ASSERT_TRUE(parts.journal().Begin(record));
  EXPECT_THAT(DamagedImage(parts.Image()).Findings(), Contains(HasSubstr("both change the line")));
}

TEST(Checker, FindingsAreBounded) {
  DamagedImage image = NewImage(64 * kMiB);
  for (uint64_t group = 0; group < image.superblock().group_count; ++group) {
    image.Change<BitmapBlock>(image.BitmapOffset(group), [](BitmapBlock& b) {
      for (auto& word : b.bits) word ^= 0x5555555555555555;
    });
  }
  const auto report = CheckFilesystem(image.bytes(), "x");
  ASSERT_TRUE(report);
  EXPECT_LE(report->findings().size(), CheckReport::kMaxFindings);
  EXPECT_FALSE(report->clean());
}

}  // namespace
}  // namespace holdfast::fsmeta
