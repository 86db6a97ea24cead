// SPDX-License-Identifier: Apache-2.0
// Failing memory under a mounted volume: rules F1 to F8 from above.
#include "fsmeta/volume_failure_holder.h"

#include <gmock/gmock.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "fsmeta/format_region.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/superblock.h"
#include "tests/fsmeta/failure_fixture.h"

namespace holdfast::fsmeta {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class VolumeFailureTest : public FailureFixture {
 protected:
  std::string Told(uint64_t session, Ino ino, uint64_t block, uint64_t blocks = 1) {
    return absl::StrCat("session ", session, " inode ", ino.value(), " blocks ", block, "-",
                        block + blocks);
  }
  std::vector<std::byte> Medium() {
    std::vector<std::byte> bytes(volume().region().size());
    EXPECT_EQ(pread(volume().region().fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  // Every kind of operation is refused.
  void ExpectShutDown(Ino file) {
    Filesystem& fs = mounted().fs();
    EXPECT_EQ(fs.GetAttributes(file).error().code, EIO);
    EXPECT_EQ(fs.Lookup(Ino(kInoRoot), "file1").error().code, EIO);
    EXPECT_EQ(fs.MakeNode(op(), Ino(kInoRoot), "new", S_IFREG | 0644, 0).error().code, EIO);
    EXPECT_EQ(fs.Unlink(op(), Ino(kInoRoot), "file1").error().code, EIO);
    EXPECT_EQ(ReadError(file, 0, 10), EIO);
    EXPECT_EQ(WriteError(file, 0, "again"), EIO);
    EXPECT_EQ(fs.Allocate(op(), file, 0, 0, 100 * kBlock).error().code, EIO);
    EXPECT_EQ(fs.GetXattr(file, "user.a").error().code, EIO);
    EXPECT_EQ(fs.GetStatFs().error().code, EIO);
    EXPECT_EQ(fs.Sync().error().code, EIO);
    EXPECT_EQ(fs.Open(file).error().code, EIO);
  }
  // Waits until the watch has shut the filesystem down.
  void AwaitShutdown() {
    for (int i = 0; i < 6000 && !volume().medium().is_shut_down(); ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_TRUE(volume().medium().is_shut_down());
  }
};

TEST_F(VolumeFailureTest, F1_ReadingAFailedBlockIsEioAndItsNeighboursAreRead) {
  const Ino file = MakeFile();
  const std::string bytes = Pattern(3 * kBlock);
  WriteAt(file, 0, bytes);
  FailAt(file, kBlock);
  EXPECT_EQ(ReadError(file, 0, 3 * kBlock), EIO);
  EXPECT_EQ(ReadError(file, kBlock + 17, 1), EIO) << "known bad by now";
  EXPECT_EQ(ReadAt(file, 0, kBlock), bytes.substr(0, kBlock));
  EXPECT_EQ(ReadAt(file, 2 * kBlock, kBlock), bytes.substr(2 * kBlock));
  EXPECT_FALSE(volume().medium().is_shut_down());
}

TEST_F(VolumeFailureTest, F1_CopyOnWriteWhoseOldBlockHasFailedIsEioAndChangesNothing) {
  const Ino file = MakeFile();
  const Ino clone = MakeFile();
  const std::string bytes = Pattern(2 * kBlock);
  WriteAt(file, 0, bytes);
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  const uint64_t place = PlaceOf(clone, 0);
  const uint64_t free = FreeBlocks();
  FailAt(file, 0);
  EXPECT_EQ(WriteError(clone, 100, "part"), EIO);
  EXPECT_EQ(PlaceOf(clone, 0), place);
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(Shape(clone), "s2");
}

TEST_F(VolumeFailureTest, F1_UnsharingCopyingAndZeroingPartsOfAFailedBlockAreEio) {
  const Ino file = MakeFile();
  const Ino clone = MakeFile();
  WriteAt(file, 0, Pattern(2 * kBlock));
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  FailAt(file, kBlock);
  EXPECT_EQ(data().Allocate(op(), clone, FALLOC_FL_UNSHARE_RANGE, 0, 2 * kBlock).error().code, EIO);
  EXPECT_EQ(data().CopyRange(op(), file, kBlock, clone, 10 * kBlock + 1, 100).error().code, EIO);
  EXPECT_EQ(data()
                .Allocate(op(), clone, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kBlock + 5, 10)
                .error()
                .code,
            EIO);
  EXPECT_FALSE(volume().medium().is_shut_down());
}

TEST_F(VolumeFailureTest, F1_ALongSymlinkInAFailedBlockIsEio) {
  const std::string target(3000, 'x');
  ASSERT_TRUE(mounted().Symlink(target, "link"));
  const Ino link = *mounted().Find("link");
  const InodeSlot slot = SlotOf(link);
  const auto extent = volume().extents().Find(volume().medium(), slot, FileBlock(0));
  ASSERT_TRUE(extent && *extent);
  ASSERT_TRUE(failure().Inject(ByteOffset((*extent)->run.start), 1));
  EXPECT_EQ(mounted().fs().ReadSymlink(link).error().code, EIO);
  EXPECT_FALSE(volume().medium().is_shut_down());
}

TEST_F(VolumeFailureTest, F2_EveryCloneIsAnOwnerAndItsHoldersAreTold) {
  const Ino file = MakeFile();
  const Ino clone = MakeFile();
  const Ino other = MakeFile();
  WriteAt(file, 0, Pattern(4 * kBlock));
  WriteAt(clone, 0, Pattern(10 * kBlock, 2));
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 3 * kBlock, 4 * kBlock));
  WriteAt(other, 0, Pattern(4 * kBlock, 3));
  Pin(file, 1, 2);
  Pin(clone, 2, 5);
  Pin(other, 3, 2);
  FailAt(file, 2 * kBlock);
  EXPECT_EQ(ReadError(file, 0, 4 * kBlock), EIO);
  EXPECT_THAT(told_.Await(2), UnorderedElementsAre(Told(1, file, 2), Told(2, clone, 5)));
  for (const auto& [ino, session] : {std::pair(file, 1), {clone, 2}, {other, 3}}) {
    CloseSession(ino, session);
  }
}

TEST_F(VolumeFailureTest, F3_ReferencesAreDroppedAndNoneIsGivenAnyMore) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(4 * kBlock));
  Pin(file, 1, 1);
  const Pfn pfn(PlaceOf(file, kBlock) >> kBlockShift);
  EXPECT_EQ(volume().pages().Describe(pfn).references, 1u);
  ASSERT_TRUE(failure().Notify(ByteOffset(pfn), kBlock));
  EXPECT_THAT(told_.Now(), ElementsAre(Told(1, file, 1)));
  EXPECT_EQ(volume().pages().Describe(pfn).references, 0u);
  FileExtentMapper mapper(volume());
  EXPECT_EQ(mapper.Map(file, FileBlock(1), FileBlock(4)).error().code, EIO);
  const auto before = mapper.Map(file, FileBlock(0), FileBlock(4));
  ASSERT_TRUE(before);
  EXPECT_EQ(before->length, BlockCount(1)) << "up to the failed block";
  CloseSession(file, 1);
}

TEST_F(VolumeFailureTest, F4_TheLastBlockOfARangeIsPartOfIt) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(4 * kBlock));
  const uint64_t place = PlaceOf(file, 0);
  ASSERT_EQ(PlaceOf(file, 3 * kBlock), place + 3 * kBlock);
  Pin(file, 1, 0);
  Pin(file, 2, 1);
  Pin(file, 3, 2);
  ASSERT_TRUE(failure().Notify(place, kBlock + 1));
  EXPECT_THAT(told_.Now(), UnorderedElementsAre(Told(1, file, 0, 2), Told(2, file, 0, 2)));
  EXPECT_EQ(failure().Notify(volume().region().size(), 1).error().code, ENXIO);
  for (const uint64_t session : {1, 2, 3}) CloseSession(file, session);
}

TEST_F(VolumeFailureTest, F5_FailedMetadataShutsTheFilesystemDownAndTouchesNothing) {
  const Ino file = MakeFile();
  WriteAt(file, 0, "bytes");
  const auto before = Medium();
  const uint64_t cluster = volume().medium().superblock().inode_cluster0;
  ASSERT_TRUE(failure().Inject(cluster << kBlockShift, 16 * kBlock));
  EXPECT_EQ(mounted().fs().GetAttributes(file).error().code, EIO);
  EXPECT_TRUE(volume().medium().is_shut_down());
  EXPECT_THAT(volume().medium().shutdown_reason(), HasSubstr("memory failed at offset"));
  ExpectShutDown(file);
  EXPECT_TRUE(Medium() == before) << "the medium was touched";
}

TEST_F(VolumeFailureTest, F5_AReportOfFailedMetadataShutsDownToo) {
  const Ino file = MakeFile();
  const GroupLayout group = LayoutOfGroup(volume().medium().superblock(), 0);
  for (const Pfn pfn : {group.bitmap, Pfn(0), group.header}) {
    ASSERT_TRUE(failure().Notify(ByteOffset(pfn), 1));
    EXPECT_TRUE(volume().medium().is_shut_down());
    ExpectShutDown(file);
    Remount();
  }
}

// The page fails while a commit writes to it: the record stays in the journal.
TEST_F(VolumeFailureTest, F5_ACommitThatMeetsAFailedPageIsDoneByTheNextMount) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(kBlock));
  const uint64_t size = SizeOf(file);
  const uint64_t slot = volume().medium().superblock().inode_cluster0 << kBlockShift;
  // Loaded and changed in DRAM, and only then unreadable.
  const auto done = volume().transactions().Run([&](Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(InodeSlot * edited, volume().inodes().Edit(tx, file));
    edited->size = size - 1;
    tx.OnCommit([] {});
    return failure().Inject(slot, 16 * kBlock);
  });
  EXPECT_EQ(done.error().code, EIO);
  EXPECT_TRUE(volume().medium().is_shut_down());
  ASSERT_TRUE(failure().Clear(0, volume().region().size()));
  Remount();
  EXPECT_THAT(SizeOf(file), testing::AnyOf(size, size - 1));
}

TEST_F(VolumeFailureTest, F5_AFailedJournalLaneShutsDownAndLeavesNoHalfRecord) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(kBlock));
  const Superblock& superblock = volume().medium().superblock();
  const uint64_t lanes = uint64_t{superblock.lane_count} * superblock.lane_blocks;
  ASSERT_TRUE(failure().Inject(superblock.journal_start << kBlockShift, lanes << kBlockShift));
  EXPECT_EQ(data().SetSize(op(), file, 1, false).error().code, EIO);
  ExpectShutDown(file);
  ASSERT_TRUE(failure().Clear(0, volume().region().size()));
  Remount();
  EXPECT_EQ(SizeOf(file), kBlock);
}

TEST_F(VolumeFailureTest, F5_AFailedDirectoryShutsDown) {
  ASSERT_TRUE(mounted().MakeDirectory("d"));
  ASSERT_TRUE(mounted().Create("d/a"));
  const Ino file = MakeFile();
  const InodeSlot slot = SlotOf(*mounted().Find("d"));
  const auto extent = volume().extents().Find(volume().medium(), slot, FileBlock(0));
  ASSERT_TRUE(extent && *extent);
  ASSERT_TRUE(failure().Inject(ByteOffset((*extent)->run.start), 1));
  EXPECT_EQ(mounted().Find("d/a").error().code, EIO);
  ExpectShutDown(file);
}

TEST_F(VolumeFailureTest, F6_OverwritingWholeFailedBlocksRepairsThem) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(8 * kBlock));
  FailAt(file, 2 * kBlock, 3 * kBlock);
  EXPECT_EQ(ReadError(file, 0, 8 * kBlock), EIO);
  const std::string fresh = Pattern(3 * kBlock, 9);
  WriteAt(file, 2 * kBlock, fresh);
  EXPECT_EQ(ReadError(file, 0, 8 * kBlock), 0);
  EXPECT_EQ(ReadAt(file, 2 * kBlock, 3 * kBlock), fresh);
  EXPECT_THAT(failure().BadRanges(), IsEmpty());
}

TEST_F(VolumeFailureTest, F6_BlocksThatNobodyKnewToBeBadAreRepairedToo) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(8 * kBlock));
  FailAt(file, 2 * kBlock, 3 * kBlock);
  const std::string fresh = Pattern(6 * kBlock + 100, 9);
  WriteAt(file, kBlock, fresh);
  EXPECT_EQ(ReadAt(file, kBlock, fresh.size()), fresh);
}

TEST_F(VolumeFailureTest, F6_OverwritingPartOfAFailedBlockIsEio) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(3 * kBlock));
  FailAt(file, kBlock);
  EXPECT_EQ(WriteError(file, kBlock, "head"), EIO);
  EXPECT_EQ(WriteError(file, 100, Pattern(kBlock)), EIO) << "the end of the write is a part of it";
  EXPECT_EQ(ReadError(file, kBlock, 1), EIO) << "it was not repaired";
}

TEST_F(VolumeFailureTest, F6_AClonesOverwriteOfAFailedSharedBlockGetsANewOne) {
  const Ino file = MakeFile();
  const Ino clone = MakeFile();
  WriteAt(file, 0, Pattern(2 * kBlock));
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  FailAt(file, 0);
  const std::string fresh = Pattern(kBlock, 5);
  WriteAt(clone, 0, fresh);
  EXPECT_EQ(ReadAt(clone, 0, kBlock), fresh);
  EXPECT_EQ(ReadError(file, 0, 1), EIO) << "the other's block is as bad as before";
}

TEST_F(VolumeFailureTest, F6_FreeBlocksThatFailedAreRepairedBeforeTheyAreUsed) {
  const Ino hog = MakeFile();
  WriteAt(hog, 0, Pattern(64 * kBlock));
  const uint64_t place = PlaceOf(hog, 0);
  ASSERT_TRUE(mounted().Unlink("file1"));
  mounted().fs().Forget(hog, 1);
  ASSERT_TRUE(failure().Inject(place, 64 * kBlock));
  // Unknown to all: metadata and data are written over them.
  for (int i = 0; i < 40; ++i) {
    const Ino file = MakeFile();
    const std::string bytes = Pattern(3 * kBlock + 77, static_cast<uint64_t>(i));
    WriteAt(file, 0, bytes);
    ASSERT_EQ(ReadError(file, 0, bytes.size()), 0);
    ASSERT_EQ(ReadAll(file), bytes);
  }
  EXPECT_FALSE(volume().medium().is_shut_down());
}

TEST_F(VolumeFailureTest, F7_RemovalTellsEverybodyAndShutsDown) {
  const Ino file = MakeFile();
  const Ino other = MakeFile();
  WriteAt(file, 0, Pattern(4 * kBlock));
  WriteAt(other, 0, Pattern(4 * kBlock));
  Pin(file, 1, 2);
  Pin(other, 2, 0);
  const Pfn pfn(PlaceOf(file, 2 * kBlock) >> kBlockShift);
  ASSERT_TRUE(failure().NotifyRemoval());
  const auto removed = [](int session, Ino ino) {
    return absl::StrCat("session ", session, " inode ", ino.value(), " removed");
  };
  EXPECT_THAT(told_.Now(), UnorderedElementsAre(removed(1, file), removed(2, other)));
  EXPECT_EQ(volume().pages().Describe(pfn).references, 0u);
  EXPECT_THAT(volume().medium().shutdown_reason(), HasSubstr("removed"));
  ExpectShutDown(file);
}

TEST_F(VolumeFailureTest, F8_AnInodeThatIsNotInCoreIsSkipped) {
  ASSERT_TRUE(mounted().Create("cold"));
  const Ino cold = *mounted().Find("cold");
  WriteAt(cold, 0, Pattern(kBlock));
  const uint64_t place = PlaceOf(cold, 0);
  ASSERT_FALSE(volume().live().Find(cold));
  ASSERT_TRUE(failure().Notify(place, 1));
  EXPECT_THAT(told_.Now(), IsEmpty());
  EXPECT_FALSE(volume().medium().is_shut_down());
  EXPECT_EQ(ReadError(cold, 0, 1), EIO);
}

TEST_F(VolumeFailureTest, F5_TheWatchHearsOfWhatAnybodyMeets) {
  const GroupLayout group = LayoutOfGroup(volume().medium().superblock(), 0);
  ASSERT_TRUE(failure().Inject(ByteOffset(group.header), 1));
  EXPECT_FALSE(failure().Probe(ByteOffset(group.header), 1));
  AwaitShutdown();
}

TEST(VolumeFailureMountTest, F4_MountingOverFailedMetadataIsRefused) {
  auto region = Region::InMemory(uint64_t{16} << 20);
  ASSERT_TRUE(FormatRegion(*region, {}));
  const auto superblock = ReadSuperblock(*region);
  ASSERT_TRUE(superblock);
  auto failure = *daxcore::MediaFailure::Watch(*region);
  ASSERT_TRUE(failure->Inject(superblock->journal_start << kBlockShift, 1));
  failure.reset();
  const auto mounted = Filesystem::Mount(std::move(region), {});
  ASSERT_FALSE(mounted);
  EXPECT_EQ(mounted.error().code, EIO);
  EXPECT_THAT(mounted.error().message, HasSubstr("failed at offset"));
}

}  // namespace
}  // namespace holdfast::fsmeta
