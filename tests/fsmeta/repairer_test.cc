// SPDX-License-Identifier: Apache-2.0
// Repairing: what is lost of the medium, and what is still there afterwards.
#include "fsmeta/repairer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>

#include <functional>

#include "daxcore/media_failure.h"
#include "daxcore/poison.h"
#include "fsmeta/checker.h"
#include "fsmeta/filesystem.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/superblock.h"
#include "tests/support/damaged_image.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"
#include "tests/support/recorder.h"
#include "tests/support/rich_image.h"
#include "tests/support/tree_state.h"

namespace holdfast::fsmeta {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::DamagedImage;
using tests::MakeRichImage;
using tests::MountedFilesystem;
using tests::TreeState;

using Image = std::vector<std::byte>;

constexpr std::array<uint8_t, 16> kOtherBoot{9, 9, 9};

std::unique_ptr<Region> RegionOf(const Image& image) {
  auto region = Region::InMemory(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  return region;
}

TreeState TreeOf(const Image& image) {
  auto fs = Filesystem::Mount(RegionOf(image), {});
  EXPECT_TRUE(fs) << fs.error().Text();
  if (!fs) return {};
  EXPECT_TRUE((*fs)->FinishOrphans());
  auto tree = tests::ReadTree(**fs);
  EXPECT_TRUE(tree) << tree.error().Text();
  return tree ? *tree : TreeState{};
}

std::vector<std::string> LinesOf(const RepairReport& report) {
  std::vector<std::string> lines;
  for (const RepairAction& action : report.log.actions()) {
    lines.push_back((action.loses ? "lost: " : "") + action.text);
  }
  return lines;
}

const Image& RichImage() {
  static const Image image = MakeRichImage();
  return image;
}

const TreeState& RichTree() {
  static const TreeState tree = TreeOf(RichImage());
  return tree;
}

class RepairerTest : public testing::Test {
 protected:
  // Repairs the image; it must be clean then, and a second repair find nothing.
  RepairReport Repair(const RepairOptions& options = {.may_lose = true, .boot_id = kOtherBoot}) {
    const auto region = RegionOf({image_.bytes().begin(), image_.bytes().end()});
    auto report = RepairRegion(*region, options);
    EXPECT_TRUE(report) << report.error().Text();
    if (!report) return {};
    image_.raw().assign(region->base(), region->base() + region->size());
    if (report->outcome != RepairOutcome::kRepaired) return *std::move(report);
    EXPECT_THAT(image_.Findings(), IsEmpty());
    const auto again = RepairRegion(*region, options);
    EXPECT_TRUE(again && again->outcome == RepairOutcome::kClean);
    return *std::move(report);
  }
  RepairReport Preen() { return Repair({.may_lose = false, .boot_id = kOtherBoot}); }

  void Garble(uint64_t offset, uint64_t length = kBlockSize) {
    for (uint64_t i = 0; i < length; ++i) image_.raw()[offset + i] = std::byte{0x5a};
  }
  void ExpectTree(const TreeState& expected) {
    const TreeState found = TreeOf(image_.raw());
    EXPECT_EQ(found, expected) << tests::Differences("repaired", found, "expected", expected);
  }
  // The root's entry for that inode becomes a gap that is free space.
  void TakeName(uint64_t ino) {
    ChangeEntry(kInoRoot, ino, [](DirectoryEntry& entry) { entry.ino = 0; });
  }
  void ChangeEntry(uint64_t directory, uint64_t ino,
                   const std::function<void(DirectoryEntry&)>& change) {
    ExtentRecord extent;
    std::memcpy(&extent, SlotOf(directory).inline_area, sizeof(extent));
    image_.Change<DirectoryBlock>(extent.block * kBlockSize, [&](DirectoryBlock& block) {
      for (size_t i = 0; i < sizeof(block.entries);) {
        DirectoryEntry entry;
        std::memcpy(&entry, block.entries + i, sizeof(entry));
        if (entry.ino == ino) change(entry);
        std::memcpy(block.entries + i, &entry, sizeof(entry));
        i += entry.record_length;
      }
    });
  }
  // Everything but `path` is as it was.
  void ExpectTreeBut(std::string_view path) {
    TreeState found = TreeOf(image_.raw());
    TreeState expected = RichTree();
    for (TreeState* tree : {&found, &expected}) tree->erase(std::string(path));
    EXPECT_EQ(found, expected) << tests::Differences("repaired", found, "expected", expected);
  }
  // Inode number and slot of a name.
  uint64_t InoOf(std::string_view path) {
    MountedFilesystem mounted(uint64_t{4} << 20);
    mounted.MountImage(RichImage());
    return mounted.Find(path)->value();
  }
  InodeSlot SlotOf(uint64_t ino) const { return image_.Get<InodeSlot>(SlotOffset(ino)); }
  uint64_t SlotOffset(uint64_t ino) const { return image_.SlotOffset(ino); }

  DamagedImage image_{RichImage()};
};

TEST_F(RepairerTest, WhatIsCleanIsLeftAlone) {
  const RepairReport report = Repair();
  EXPECT_EQ(report.outcome, RepairOutcome::kClean);
  EXPECT_THAT(report.log.actions(), IsEmpty());
  EXPECT_EQ(image_.raw(), RichImage());
}

TEST_F(RepairerTest, AnyOneOfTheFilesystemsOwnBlocksIsRebuiltAndNothingLost) {
  const Superblock& superblock = image_.superblock();
  const GroupLayout group = LayoutOfGroup(superblock, 0);
  for (const uint64_t block :
       {uint64_t{0}, superblock.block_count - 1, group.header.value(), group.bitmap.value(),
        superblock.journal_start, superblock.journal_start + superblock.lane_blocks,
        superblock.inode_cluster0, superblock.inode_cluster0 + kClusterBlocks}) {
    SCOPED_TRACE(block);
    image_ = DamagedImage(RichImage());
    Garble(block * kBlockSize);
    EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
    ExpectTree(RichTree());
  }
}

TEST_F(RepairerTest, FirstSuperblockGroupHeaderAndLaneGoneAtOnce) {
  const GroupLayout group = LayoutOfGroup(image_.superblock(), 0);
  Garble(0);
  Garble(ByteOffset(group.header));
  Garble(image_.superblock().journal_start * kBlockSize);
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, WithoutAnySuperblockItIsRefused) {
  Garble(0);
  Garble((image_.superblock().block_count - 1) * kBlockSize);
  const auto region = RegionOf(image_.raw());
  EXPECT_EQ(tests::ErrorOf(RepairRegion(*region, {.may_lose = true})), EINVAL);
}

TEST_F(RepairerTest, NamesBelowADirectoryWhoseInodeIsLostStay) {
  for (const char* path : {"", "dir", "dir/sub"}) {
    SCOPED_TRACE(path);
    image_ = DamagedImage(RichImage());
    Garble(SlotOffset(InoOf(path)), kSlotBytes);
    const RepairReport report = Repair();
    EXPECT_EQ(report.log.lost(), 1U);
    EXPECT_TRUE(TreeOf(image_.raw()).contains(path));
    ExpectTreeBut(path);
  }
}

TEST_F(RepairerTest, BytesOfAFileWhoseInodeIsLostStay) {
  for (const char* path : {"plain", "holes"}) {
    image_ = DamagedImage(RichImage());
    const uint64_t at = SlotOffset(InoOf(path));
    Garble(at, offsetof(InodeSlot, size));  // its size can still be read
    const RepairReport report = Repair();
    EXPECT_THAT(LinesOf(report), Contains(HasSubstr("its slot is lost; its ")));
    EXPECT_EQ(TreeOf(image_.raw()).at(path).data, RichTree().at(path).data);
  }
}

TEST_F(RepairerTest, PreenDoesNotGiveUpAnything) {
  Garble(SlotOffset(InoOf("plain")), kSlotBytes);
  const Image before = image_.raw();
  const RepairReport report = Preen();
  EXPECT_EQ(report.outcome, RepairOutcome::kRefused);
  EXPECT_THAT(report.why, HasSubstr("1 of these changes lose something"));
  EXPECT_FALSE(report.check.clean());
  EXPECT_EQ(image_.raw(), before);
}

TEST_F(RepairerTest, ExtentsOfALostTreeNodeComeFromTheReverseMap) {
  Garble(SlotOf(InoOf("holes")).extents.node * kBlockSize);
  const RepairReport report = Preen();
  EXPECT_EQ(report.outcome, RepairOutcome::kRepaired);
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("its 200 blocks are mapped and counted again")));
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, ExtentsThatNobodyRemembersAreHolesAndThatIsSaid) {
  Garble(SlotOf(InoOf("holes")).extents.node * kBlockSize);
  Garble(ByteOffset(LayoutOfGroup(image_.superblock(), 0).header));
  const RepairReport report = Repair();
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("of its 200 blocks are lost; they are holes")));
  ExpectTreeBut("holes");
  EXPECT_EQ(TreeOf(image_.raw()).at("holes").data.size(), RichTree().at("holes").data.size());
}

TEST_F(RepairerTest, EntriesOfAnUnsoundDirectoryBlockProveThemselves) {
  const InodeSlot slot = SlotOf(InoOf("dir"));
  ExtentRecord extent;
  std::memcpy(&extent, slot.inline_area, sizeof(extent));
  Garble(extent.block * kBlockSize + 200, 8);  // in the middle of an entry
  const RepairReport report = Repair();
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("entries that prove themselves are saved")));
  const TreeState found = TreeOf(image_.raw());
  size_t missing = 0;
  for (const auto& [name, entry] : RichTree()) missing += found.contains(name) ? 0 : 1;
  EXPECT_EQ(missing, 1U);
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("it is lost+found/#")));
}

TEST_F(RepairerTest, AnIndexIsRebuilt) {
  Garble(SlotOf(InoOf("dir")).dir_index.node * kBlockSize);
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, AttributesThatCanBeReadAreSaved) {
  uint64_t value = 1;
  while (image_.Get<uint32_t>(value * kBlockSize) !=
         static_cast<uint32_t>(ObjectType::kXattrValue)) {
    ++value;
  }
  Garble(value * kBlockSize);
  const RepairReport report = Repair();
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("its attributes are damaged; 4 are saved")));
  ExpectTreeBut("listed");
  EXPECT_THAT(TreeOf(image_.raw()).at("listed").attributes, HasSubstr("user.v"));
}

TEST_F(RepairerTest, WhatHasNoNameComesToLostAndFound) {
  TakeName(InoOf("plain"));  // it has another one, in the directory that loses its own
  TakeName(InoOf("dir"));
  const RepairReport report = Preen();
  EXPECT_EQ(report.outcome, RepairOutcome::kRepaired);
  const TreeState found = TreeOf(image_.raw());
  const std::string moved = absl::StrCat("lost+found/#", InoOf("dir"));
  EXPECT_TRUE(found.contains(moved + "/sub/leaf"));
  EXPECT_EQ(found.at(moved + "/sub/linked").data, RichTree().at("plain").data);
}

// What a repair that is killed leaves, at each drain with all or half of the stores since the one
// before: it does not mount, and the next repair ends where this one would have.
TEST_F(RepairerTest, InterruptedAtAnyMomentItIsDoneAgain) {
  TakeName(InoOf("clone"));
  Garble(0);
  Garble(SlotOf(InoOf("dir")).dir_index.node * kBlockSize);
  Garble(SlotOf(InoOf("holes")).extents.node * kBlockSize);
  Garble(ByteOffset(LayoutOfGroup(image_.superblock(), 0).bitmap));
  Garble((image_.superblock().journal_start + image_.superblock().lane_blocks) * kBlockSize);
  const Image damaged = image_.raw();
  tests::Recorder recorder;
  auto region = recorder.MakeRegion(damaged.size());
  region->persist().CopyNt(region->Target(0), damaged.data(), damaged.size());
  recorder.Clear();
  const auto report = RepairRegion(*region, {.may_lose = false, .boot_id = kOtherBoot});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->outcome, RepairOutcome::kRepaired) << report->why;
  const TreeState expected = TreeOf({region->base(), region->base() + region->size()});
  EXPECT_TRUE(expected.contains("lost+found"));

  const auto events = recorder.Events();
  Image durable = damaged;
  size_t since = 0;  // first event that is not durable yet
  int cuts = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind != tests::PersistEvent::kDrain) continue;
    Image torn = durable;
    for (size_t k = since; k < i; k += 2) recorder.Apply(events[k], torn);
    for (size_t k = since; k < i; ++k) recorder.Apply(events[k], durable);
    since = i;
    for (const Image& cut : {torn, durable}) {
      SCOPED_TRACE(absl::StrCat("drain ", ++cuts));
      image_.raw() = cut;
      const auto check = CheckFilesystem(cut, "cut");
      const bool done = check && check->clean();
      EXPECT_TRUE(done || cuts <= 4 ||
                  tests::ErrorOf(Filesystem::Mount(RegionOf(cut), {})) == EUCLEAN);
      EXPECT_NE(Preen().outcome, RepairOutcome::kRefused);
      ExpectTree(expected);
    }
  }
  EXPECT_GT(cuts, 20);
}

TEST_F(RepairerTest, TheInodeFileIsFoundAgain) {
  Garble(SlotOffset(kInoInodeFile), kSlotBytes);
  EXPECT_NE(Repair().outcome, RepairOutcome::kRefused);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, TwoFilesThatClaimABlockShareIt) {
  const uint64_t thief = InoOf("clone");
  ExtentRecord stolen;
  std::memcpy(&stolen, SlotOf(InoOf("plain")).inline_area, sizeof(stolen));
  stolen.file_block = 1000;
  image_.Change<InodeSlot>(SlotOffset(thief), [&](InodeSlot& slot) {
    std::memcpy(slot.inline_area + slot.inline_count * sizeof(stolen), &stolen, sizeof(stolen));
    ++slot.inline_count;
    slot.blocks += stolen.length;
  });
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  EXPECT_EQ(TreeOf(image_.raw()).at("plain").data, RichTree().at("plain").data);
}

TEST_F(RepairerTest, AFileThatClaimsMetadataLosesIt) {
  ExtentRecord root;
  std::memcpy(&root, SlotOf(kInoRoot).inline_area, sizeof(root));
  image_.Change<InodeSlot>(SlotOffset(InoOf("clone")), [&](InodeSlot& slot) {
    const ExtentRecord stolen{1000, root.block, 1, 0};
    std::memcpy(slot.inline_area + slot.inline_count * sizeof(stolen), &stolen, sizeof(stolen));
    ++slot.inline_count;
    ++slot.blocks;
  });
  const RepairReport report = Repair();
  EXPECT_THAT(LinesOf(report), Contains(HasSubstr("1 of its blocks belong to others")));
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, ADirectoryThatIsItsOwnAncestorIsCutLoose) {
  const uint64_t dir = InoOf("dir");
  const uint64_t sub = InoOf("dir/sub");
  const uint64_t leaf = InoOf("dir/sub/leaf");
  ChangeEntry(sub, leaf, [&](DirectoryEntry& entry) { entry.ino = dir; });
  image_.Change<InodeSlot>(SlotOffset(dir), [&](InodeSlot& slot) { slot.parent = sub; });
  EXPECT_EQ(Repair().outcome, RepairOutcome::kRepaired);
  const TreeState found = TreeOf(image_.raw());
  EXPECT_TRUE(found.contains(absl::StrCat("lost+found/#", dir, "/sub/linked")));
  EXPECT_TRUE(found.contains(absl::StrCat("lost+found/#", leaf)));
}

TEST_F(RepairerTest, L11_QuarantineOfThisBootIsNotGuessedAt) {
  const uint64_t quarantine = image_.superblock().inode_cluster0 + kClusterBlocks + 1;
  Garble(quarantine * kBlockSize);
  const Image before = image_.raw();
  std::array<uint8_t, 16> boot;
  std::ranges::copy(image_.superblock().boot_id, boot.begin());
  const RepairReport report = Repair({.may_lose = true, .boot_id = boot});
  EXPECT_EQ(report.outcome, RepairOutcome::kRefused);
  EXPECT_THAT(report.why, HasSubstr("reboot, then repair"));
  EXPECT_EQ(image_.raw(), before);
  EXPECT_EQ(Repair().outcome, RepairOutcome::kRepaired);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, L11_QuarantineMayHaveAShareOfWhatAFileHas) {
  ExtentRecord extent;
  std::memcpy(&extent, SlotOf(InoOf("plain")).inline_area, sizeof(extent));
  image_.Change<QuarantineBlock>(image_.FirstBlockOf(kInoQuarantine), [&](QuarantineBlock& block) {
    block.records[5] = {.block = extent.block,
                        .length = 1,
                        .boot_id = {},
                        .batch = 7,
                        .kind = static_cast<uint32_t>(QuarantineKind::kRun),
                        .holder_pid = 0,
                        .holder_start = 0,
                        .ino = 99};
  });
  const RepairReport report = Preen();
  EXPECT_EQ(report.outcome, RepairOutcome::kRepaired);
  EXPECT_EQ(report.check.totals.quarantined_blocks, 1U);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, HeadersAndBitmapsOfAllGroupsAtOnce) {
  ASSERT_GT(image_.superblock().group_count, 1U);
  for (uint64_t group = 0; group < image_.superblock().group_count; ++group) {
    Garble(image_.GroupOffset(group));
    Garble(image_.BitmapOffset(group));
  }
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, OfTwoSuperblocksTheOneThatTheRestAgreesWith) {
  const auto change_seed = [](Superblock& superblock) { superblock.hash_seed ^= 5; };
  const auto change_uuid = [](Superblock& superblock) { superblock.header.uuid[3] ^= 5; };
  const uint64_t copy = (image_.superblock().block_count - 1) * kBlockSize;
  for (const uint64_t at : {uint64_t{0}, copy}) {
    for (const auto& change :
         std::initializer_list<std::function<void(Superblock&)>>{change_seed, change_uuid}) {
      image_ = DamagedImage(RichImage());
      image_.Change<Superblock>(at, change);
      EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
      ExpectTree(RichTree());
    }
  }
}

TEST_F(RepairerTest, ALaneWhoseRecordWasAppliedIsEmptied) {
  const uint64_t lanes = image_.superblock().journal_start * kBlockSize;
  for (uint32_t lane = 0; lane < image_.superblock().lane_count; ++lane) {
    Garble(lanes + lane * image_.superblock().lane_blocks * kBlockSize, 8);
  }
  const RepairReport report = Preen();
  EXPECT_THAT(LinesOf(report), Contains("journal lane 0: is unsound; it is emptied"));
  ExpectTree(RichTree());
}

TEST_F(RepairerTest, MemoryThatHasFailedIsReplacedOnTheWay) {
  const auto region = RegionOf(RichImage());
  const uint64_t index = SlotOf(InoOf("dir")).dir_index.node * kBlockSize;
  const uint64_t extents = SlotOf(InoOf("holes")).extents.node * kBlockSize;
  for (const uint64_t at : {uint64_t{0}, image_.GroupOffset(1), image_.BitmapOffset(0), index,
                            extents, image_.superblock().journal_start * kBlockSize}) {
    ASSERT_TRUE(daxcore::PoisonMemory(static_cast<std::byte*>(region->Target(at)), kBlockSize));
  }
  const auto report = RepairRegion(*region, {.may_lose = false, .boot_id = kOtherBoot});
  ASSERT_TRUE(report) << report.error().Text();
  EXPECT_EQ(report->outcome, RepairOutcome::kRepaired) << report->why;
  const auto failure = daxcore::MediaFailure::Watch(*region);  // what nobody uses may stay bad
  ASSERT_TRUE(failure);
  image_.raw().resize(region->size());
  for (uint64_t at = 0; at < region->size(); at += kBlockSize) {
    static_cast<void>((*failure)->CopyOut(image_.raw().data() + at, at, kBlockSize));
  }
  ExpectTree(RichTree());
}

// A filesystem of its own for what the rich one is not.
class OtherImage : public RepairerTest {
 protected:
  void Take(MountedFilesystem& mounted) {
    tree_ = TreeOf(mounted.Image());
    image_ = DamagedImage(mounted.Image());
    ASSERT_THAT(image_.Findings(), IsEmpty());
  }
  TreeState tree_;
};

TEST_F(OtherImage, AFullRegionHasRoomForItsRepair) {
  MountedFilesystem mounted(uint64_t{4} << 20);
  ASSERT_TRUE(mounted.Create("small"));
  mounted.FillUp();
  Take(mounted);
  Garble(image_.GroupOffset(0));
  Garble(image_.GroupOffset(1));
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  ExpectTree(tree_);
}

TEST_F(OtherImage, LostAndFoundGetsAnInodeEvenIfNoneIsFree) {
  MountedFilesystem mounted(uint64_t{4} << 20);
  for (uint64_t i = kInoFirstFree; i < kInodesPerCluster; ++i) {
    ASSERT_TRUE(mounted.Create(absl::StrCat("file", i)));
  }
  Take(mounted);
  ASSERT_EQ(image_.Get<InodeCluster>(image_.ClusterOffset()).free_count, 0U);
  TakeName(kInoFirstFree);
  EXPECT_EQ(Preen().outcome, RepairOutcome::kRepaired);
  const TreeState found = TreeOf(image_.raw());
  EXPECT_TRUE(found.contains(absl::StrCat("lost+found/#", kInoFirstFree)));
  EXPECT_EQ(found.size(), tree_.size() + 1);
}

TEST_F(OtherImage, ClustersInPiecesAreFoundAgain) {
  MountedFilesystem mounted(uint64_t{4} << 20);
  mounted.FillUp();
  const auto hog = mounted.Find("hog");
  ASSERT_TRUE(hog);
  auto& fs = mounted.fs();
  // No two free blocks are neighbours, but those of the reserve, which another file takes.
  const uint64_t blocks = fs.GetAttributes(*hog)->size / kBlockSize;
  for (uint64_t i = 0; i < blocks; i += 2) {
    ASSERT_TRUE(fs.Allocate(mounted.op(), *hog, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            i * kBlockSize, kBlockSize));
  }
  ASSERT_TRUE(mounted.Create("second"));
  const uint64_t reserve = mounted.volume().medium().superblock().reserve_blocks;
  ASSERT_TRUE(fs.Allocate(mounted.op(), *mounted.Find("second"), 0, 0, reserve * kBlockSize));
  for (uint64_t i = 0; i < 2 * kInodesPerCluster; ++i) {
    ASSERT_TRUE(mounted.Create(absl::StrCat("file", i)));
  }
  Take(mounted);
  ASSERT_EQ(SlotOf(kInoInodeFile).data_form, static_cast<uint8_t>(DataForm::kTree));
  Garble(SlotOffset(kInoInodeFile), kSlotBytes);
  EXPECT_NE(Repair().outcome, RepairOutcome::kRefused);
  ExpectTree(tree_);
}

}  // namespace
}  // namespace holdfast::fsmeta
