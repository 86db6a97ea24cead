// SPDX-License-Identifier: Apache-2.0
// Objects are checked at load: identity always, checksum once.
#include "fsmeta/medium.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using testing::HasSubstr;

class MediumTest : public testing::Test {
 protected:
  ObjectId Orphans() {
    return {ObjectType::kOrphans, ByteOffset(parts_.orphan_block()), kMetadataBlock,
            kInoOrphanFile};
  }
  // Changes bytes of the region behind the medium's back.
  void Damage(uint64_t offset, uint8_t mask = 0x10) {
    const std::byte wrong = *parts_.region().At(offset) ^ std::byte{mask};
    parts_.region().persist().Store(parts_.region().Target(offset), &wrong, 1);
  }
  Error LoadError(const ObjectId& id) {
    auto loaded = parts_.medium().Load(id);
    EXPECT_FALSE(loaded);
    return loaded ? Error{0, "", nullptr} : loaded.error();
  }

  tests::FormattedMedium parts_;
};

TEST_F(MediumTest, LoadGivesTheMediumItself) {
  const auto loaded = parts_.medium().Load(Orphans());
  ASSERT_TRUE(loaded) << loaded.error().Text();
  EXPECT_EQ(*loaded, parts_.region().At(parts_.orphan_block()));
}

TEST_F(MediumTest, EveryBitOfAnObjectIsCovered) {
  for (uint64_t at = 0; at < kMetadataBlock; at += 3) {
    const uint64_t offset = Orphans().offset + at;
    Damage(offset);
    // The sequence and the reserved words of the header are covered by the checksum only.
    EXPECT_EQ(LoadError(Orphans()).code, EUCLEAN) << at;
    Damage(offset);
  }
  EXPECT_TRUE(parts_.medium().Load(Orphans()));
}

TEST_F(MediumTest, ErrorsNameObjectPlaceAndField) {
  Damage(Orphans().offset + 1000);
  EXPECT_THAT(LoadError(Orphans()).message,
              HasSubstr("orphan block in block " + std::to_string(Orphans().offset / 4096)));
  EXPECT_THAT(LoadError(Orphans()).message, HasSubstr("checksum"));
  const ObjectId wrong_type{ObjectType::kBitmap, Orphans().offset, kMetadataBlock, 3};
  EXPECT_THAT(LoadError(wrong_type).message, HasSubstr("magic"));
}

TEST_F(MediumTest, IdentityIsCheckedEvenWhenTheChecksumIsKnown) {
  ASSERT_TRUE(parts_.medium().Load(Orphans()));
  ObjectId other = Orphans();
  other.owner = 77;
  EXPECT_THAT(LoadError(other).message, HasSubstr("belongs to 3, expected 77"));
  other.owner = kAnyOwner;
  EXPECT_TRUE(parts_.medium().Load(other));
  // A sound object copied to another place is not that place's object.
  const Pfn elsewhere = parts_.first_free();
  parts_.region().persist().CopyNt(parts_.region().Target(ByteOffset(elsewhere)),
                                   parts_.region().At(parts_.orphan_block()), kMetadataBlock);
  other.offset = ByteOffset(elsewhere);
  EXPECT_THAT(LoadError(other).message, HasSubstr("says it is at byte"));
}

TEST_F(MediumTest, ChecksumIsVerifiedOnceAndAgainWhenForgotten) {
  ASSERT_TRUE(parts_.medium().Load(Orphans()));
  Damage(Orphans().offset + 2000);
  EXPECT_TRUE(parts_.medium().Load(Orphans()));
  parts_.medium().ForgetVerified(parts_.orphan_block(), BlockCount(1));
  EXPECT_EQ(LoadError(Orphans()).code, EUCLEAN);
  parts_.medium().MarkVerified(Orphans().offset, kMetadataBlock);
  EXPECT_TRUE(parts_.medium().Load(Orphans()));
}

TEST_F(MediumTest, SlotsOfABlockAreVerifiedOneByOne) {
  const Pfn cluster(parts_.superblock().inode_cluster0);
  ASSERT_TRUE(parts_.medium().Load(SlotId(cluster, Ino(1))));
  Damage(SlotId(cluster, Ino(2)).offset + 100);
  Damage(SlotId(cluster, Ino(1)).offset + 100);
  EXPECT_TRUE(parts_.medium().Load(SlotId(cluster, Ino(1))));
  EXPECT_EQ(LoadError(SlotId(cluster, Ino(2))).code, EUCLEAN);
}

TEST_F(MediumTest, OutsideTheFilesystemIsCorruption) {
  const uint64_t end = Bytes(parts_.medium().blocks());
  for (const uint64_t offset : {end, end + 4096, uint64_t{1} << 62, ~uint64_t{4095}}) {
    EXPECT_EQ(LoadError({ObjectType::kBitmap, offset, kMetadataBlock, 0}).code, EUCLEAN);
  }
  EXPECT_EQ(LoadError({ObjectType::kInode, 100, kSlotBytes, 0}).code, EUCLEAN);
}

TEST_F(MediumTest, ContainsDoesNotOverflow) {
  const Medium& medium = parts_.medium();
  const uint64_t blocks = medium.blocks().value();
  EXPECT_TRUE(medium.Contains(Pfn(0), BlockCount(blocks)));
  EXPECT_TRUE(medium.Contains(Pfn(blocks - 1), BlockCount(1)));
  EXPECT_FALSE(medium.Contains(Pfn(blocks - 1), BlockCount(2)));
  EXPECT_FALSE(medium.Contains(Pfn(blocks), BlockCount(0)));
  EXPECT_FALSE(medium.Contains(Pfn(1), BlockCount(~uint64_t{0})));
  EXPECT_FALSE(medium.Contains(Pfn(~uint64_t{0}), BlockCount(2)));
}

TEST_F(MediumTest, F5ShutdownFailsEveryLoadAndKeepsTheFirstReason) {
  parts_.medium().Shutdown("metadata memory failed");
  parts_.medium().Shutdown("something later");
  EXPECT_EQ(LoadError(Orphans()).code, EIO);
  EXPECT_EQ(parts_.medium().shutdown_reason(), "metadata memory failed");
}

TEST_F(MediumTest, SequencesGrowFromTheSuperblocksAndFromWhatRecoverySaw) {
  Medium& medium = parts_.medium();
  EXPECT_EQ(medium.NextSequence(), medium.superblock().header.sequence + 1);
  medium.SawSequence(1000);
  medium.SawSequence(10);
  EXPECT_EQ(medium.NextSequence(), 1001U);
}

TEST_F(MediumTest, ForeignObjectsAreRefused) {
  tests::FormattedMedium other;
  parts_.region().persist().CopyNt(parts_.region().Target(Orphans().offset),
                                   other.region().At(Orphans().offset), kMetadataBlock);
  EXPECT_THAT(LoadError(Orphans()).message, HasSubstr("uuid"));
}

}  // namespace
}  // namespace holdfast::fsmeta
