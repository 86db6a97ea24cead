// SPDX-License-Identifier: Apache-2.0
// At a geometry of 2 MiB what is leased for writing lies so that it can be mapped in such units.
#include <linux/falloc.h>
#include <unistd.h>

#include "fsmeta/direct_access.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::Holder;
using daxcore::SessionId;

constexpr uint64_t kHugePage = 2 * kMiB;

FormatOptions Geometry(uint32_t shift) {
  FormatOptions format;
  format.geometry_shift = shift;
  return format;
}

class FileAlignTest : public DataFixture {
 protected:
  explicit FileAlignTest(uint32_t shift = 21)
      : DataFixture(64 * kMiB, DataMode::kInPlace, Geometry(shift)) {}
  void TearDown() override {
    EXPECT_EQ(volume().pages().canary_hits(), 0u);
    DataFixture::TearDown();
  }

  Holder Client(uint64_t session) { return {SessionId(session), *daxcore::Identify(getpid())}; }
  Result<daxcore::LeaseId> Lease(const OpContext& context, Ino ino, uint64_t offset,
                                 uint64_t length, bool write = true) {
    return direct().Lease(context, ino, Client(1),
                          {.offset = offset, .length = length, .write = write});
  }
  DirectAccess& direct() { return mounted().fs().direct(); }

  // A file whose blocks, of which there are a few, lie anywhere but at the start of a huge page.
  Ino Misplaced(uint64_t blocks, uint64_t seed = 1) {
    WriteAt(MakeFile(), 0, Pattern(kBlock));
    const Ino file = MakeFile();
    WriteAt(file, 0, Pattern(blocks * kBlock, seed));
    EXPECT_NE(PlaceOf(file, 0) % kHugePage, 0u);
    return file;
  }
  // Each byte of [from, to) at its place of a huge page of the region, those of one huge page of
  // the file in one.
  void ExpectMappable(Ino ino, uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at += kBlock) {
      EXPECT_EQ(PlaceOf(ino, at) % kHugePage, at % kHugePage) << at;
      const uint64_t first = std::max(from, at / kHugePage * kHugePage);
      EXPECT_EQ(PlaceOf(ino, at) - PlaceOf(ino, first), at - first) << at;
    }
  }
};

TEST_F(FileAlignTest, C1_AWriteLeaseLaysItsBlocksOutForTheGeometry) {
  const Ino file = Misplaced(8);
  ASSERT_TRUE(Lease(op(), file, 0, 8 * kBlock));
  ExpectMappable(file, 0, 8 * kBlock);
  EXPECT_EQ(ReadAll(file), Pattern(8 * kBlock));
  direct().CloseSession(file, SessionId(1));
  Remount();
  ExpectMappable(file, 0, 8 * kBlock);
  EXPECT_EQ(ReadAll(file), Pattern(8 * kBlock));
}

TEST_F(FileAlignTest, C1_OnlyWhatIsLeasedMoves) {
  const Ino file = Misplaced(8);
  const uint64_t first = PlaceOf(file, 0);
  const uint64_t last = PlaceOf(file, 7 * kBlock);
  ASSERT_TRUE(Lease(op(), file, 2 * kBlock, 3 * kBlock));
  ExpectMappable(file, 2 * kBlock, 5 * kBlock);
  EXPECT_EQ(PlaceOf(file, 0), first);
  EXPECT_EQ(PlaceOf(file, 7 * kBlock), last);
  EXPECT_EQ(ReadAll(file), Pattern(8 * kBlock));
  direct().CloseSession(file, SessionId(1));
}

TEST_F(FileAlignTest, C1_WhatLiesRightStays) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(3 * kHugePage));
  const uint64_t place = PlaceOf(file, 0);
  ASSERT_EQ(place % kHugePage, 0u);
  const uint64_t free = FreeBlocks();
  ASSERT_TRUE(Lease(op(), file, kBlock, 2 * kHugePage));
  EXPECT_EQ(PlaceOf(file, 0), place);
  EXPECT_EQ(PlaceOf(file, 3 * kHugePage - kBlock), place + 3 * kHugePage - kBlock);
  EXPECT_EQ(FreeBlocks(), free);
  direct().CloseSession(file, SessionId(1));
}

TEST_F(FileAlignTest, C1_PiecesOfOneHugePageComeTogether) {
  const uint64_t length = kHugePage + 20 * kBlock;
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(length));
  std::string expected = Pattern(length);
  for (uint64_t at = 0; at < length; at += 7 * kBlock) {
    ASSERT_TRUE(
        data().Allocate(op(), file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, kBlock));
    expected.replace(at, kBlock, Zeroes(kBlock));
    if (at % 2 == 0) continue;
    WriteAt(file, at, "x");
    expected[at] = 'x';
  }
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  for (const Ino ino : {clone, file}) {
    ASSERT_TRUE(Lease(op(), ino, 0, length));
    ExpectMappable(ino, 0, length);
    EXPECT_EQ(ReadAll(ino), expected);
    direct().CloseSession(ino, SessionId(1));
  }
}

TEST_F(FileAlignTest, C1_WithoutRoomBlocksStayAndTheLeaseIsGranted) {
  const Ino file = Misplaced(8);
  const uint64_t place = PlaceOf(file, 0);
  mounted().FillUp(16);
  ASSERT_TRUE(Lease(op(), file, 0, 8 * kBlock));
  EXPECT_EQ(PlaceOf(file, 0), place);
  EXPECT_EQ(ReadAll(file), Pattern(8 * kBlock));
  direct().CloseSession(file, SessionId(1));
}

TEST_F(FileAlignTest, L7_MovingWaitsForPins) {
  const Ino file = Misplaced(4);
  const uint64_t place = PlaceOf(file, 0);
  const auto pin = direct().Pin(op(), file, Client(2), {.offset = kBlock, .length = kBlock});
  ASSERT_TRUE(pin);
  BreakAttempt attempt("lease");
  OpContext patient;
  patient.attempt = &attempt;
  const auto blocked = Lease(patient, file, 0, 4 * kBlock);
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(PlaceOf(file, 0), place);
  ASSERT_TRUE(direct().Unpin(file, SessionId(2), *pin));
  ASSERT_TRUE(Lease(patient, file, 0, 4 * kBlock));
  ExpectMappable(file, 0, 4 * kBlock);
  direct().CloseSession(file, SessionId(1));
}

TEST_F(FileAlignTest, L11_BusyBlocksThatMovedAreNobodyElses) {
  const Ino file = Misplaced(4);
  const uint64_t place = PlaceOf(file, 0);
  const auto pin = direct().Pin(op(), file, Client(2), {.offset = kBlock, .length = kBlock});
  ASSERT_TRUE(pin);
  BreakAttempt attempt("lease");
  attempt.OverridePolicy(daxcore::BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  OpContext at_once;
  at_once.attempt = &attempt;
  ASSERT_TRUE(Lease(at_once, file, 0, 4 * kBlock));
  ExpectMappable(file, 0, 4 * kBlock);
  EXPECT_EQ(volume().layouts().quarantine().blocks(), BlockCount(1));
  mounted().FillUp();
  EXPECT_EQ(MediumAt(place + kBlock, kBlock), Pattern(4 * kBlock).substr(kBlock, kBlock));
  ASSERT_TRUE(direct().Unpin(file, SessionId(2), *pin));
  direct().CloseSession(file, SessionId(1));
}

TEST_F(FileAlignTest, ReadersMoveNothing) {
  const Ino file = Misplaced(4);
  const uint64_t place = PlaceOf(file, 0);
  ASSERT_TRUE(Lease(op(), file, 0, 4 * kBlock, /*write=*/false));
  EXPECT_EQ(PlaceOf(file, 0), place);
  direct().CloseSession(file, SessionId(1));
}

class SmallGeometryTest : public FileAlignTest {
 protected:
  SmallGeometryTest() : FileAlignTest(12) {}
};

TEST_F(SmallGeometryTest, C1_AtAGeometryOfABlockNothingMoves) {
  const Ino file = Misplaced(4);
  const uint64_t place = PlaceOf(file, 0);
  ASSERT_TRUE(Lease(op(), file, 0, 4 * kBlock));
  EXPECT_EQ(PlaceOf(file, 0), place);
  direct().CloseSession(file, SessionId(1));
}

}  // namespace
}  // namespace holdfast::fsmeta
