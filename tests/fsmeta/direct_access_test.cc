// SPDX-License-Identifier: Apache-2.0
// Leases, layouts and pins on files: rules L1, L7, L11, L12 from where clients stand.
#include "fsmeta/direct_access.h"

#include <linux/falloc.h>
#include <unistd.h>

#include "tests/fsmeta/data_fixture.h"
#include "tests/support/recorder.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::Holder;
using daxcore::LeaseId;
using daxcore::SessionId;
using State = LayoutPiece::State;

constexpr uint64_t kFileBlocks = 16;

class DirectAccessTest : public DataFixture {
 protected:
  Holder Client(uint64_t session) {
    const auto self = daxcore::Identify(getpid());
    EXPECT_TRUE(self);
    return {SessionId(session), *self};
  }
  Result<LeaseId> Lease(Ino ino, uint64_t session, uint64_t offset, uint64_t length, bool write) {
    return direct().Lease(op(), ino, Client(session),
                          {.offset = offset, .length = length, .write = write});
  }
  // "w3 h2": as Shape, of what a lease is shown.
  std::string Shown(Ino ino, uint64_t session, LeaseId lease, uint64_t offset, uint64_t length) {
    const auto pieces = direct().Layout(ino, SessionId(session), lease, offset, length, 64);
    EXPECT_TRUE(pieces) << pieces.error().Text();
    std::string text;
    if (!pieces) return text;
    for (const LayoutPiece& piece : *pieces) {
      if (!text.empty()) text += ' ';
      text += "huws"[static_cast<int>(piece.state)] + std::to_string(piece.length / kBlock);
    }
    return text;
  }
  Ino FileOf(uint64_t blocks, uint64_t seed = 1) {
    const Ino file = MakeFile();
    WriteAt(file, 0, Pattern(blocks * kBlock, seed));
    return file;
  }
  DirectAccess& direct() { return mounted().fs().direct(); }
  void TearDown() override {
    EXPECT_EQ(volume().pages().canary_hits(), 0u);
    DataFixture::TearDown();
  }
};

TEST_F(DirectAccessTest, ShowsWhereTheBytesAre) {
  const Ino file = FileOf(kFileBlocks);
  const auto lease = Lease(file, 1, 2 * kBlock, 4 * kBlock, false);
  ASSERT_TRUE(lease) << lease.error().Text();
  const auto pieces = direct().Layout(file, SessionId(1), *lease, 3 * kBlock, kBlock, 64);
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 1u);
  EXPECT_EQ(pieces->front().file_offset, 3 * kBlock);
  EXPECT_EQ(pieces->front().region_offset, PlaceOf(file, 3 * kBlock));
  EXPECT_EQ(MediumAt(pieces->front().region_offset, kBlock),
            Pattern(kFileBlocks * kBlock).substr(3 * kBlock, kBlock));
  direct().CloseSession(file, SessionId(1));
}

TEST_F(DirectAccessTest, RefusesRangesThatAreNotInTheFile) {
  const Ino file = FileOf(2);
  for (const bool write : {false, true}) {
    EXPECT_EQ(Lease(file, 1, 0, 0, write).error().code, EINVAL);
    EXPECT_EQ(Lease(file, 1, 0, 3 * kBlock, write).error().code, EINVAL);
    EXPECT_EQ(Lease(file, 1, 2 * kBlock, 1, write).error().code, EINVAL);
    EXPECT_EQ(Lease(file, 1, ~uint64_t{0}, 2, write).error().code, EINVAL);
    EXPECT_EQ(Lease(file, 1, kBlock, ~uint64_t{0} - 10, write).error().code, EINVAL);
  }
  EXPECT_EQ(direct().Pin(op(), file, Client(1), {.offset = 0, .length = 0}).error().code, EINVAL);
  EXPECT_EQ(
      direct().Pin(op(), file, Client(1), {.offset = kBlock, .length = 2 * kBlock}).error().code,
      EINVAL);
  EXPECT_EQ(direct().Pages(file, kMaxFileSize + 1, 1).error().code, EINVAL);
  EXPECT_TRUE(volume().layouts().Holders().empty());
  EXPECT_EQ(Lease(Ino(1), 1, 0, kBlock, false).error().code, EISDIR);
}

TEST_F(DirectAccessTest, TheLastPartialBlockCanBeHad) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(kBlock + 10));
  const auto lease = Lease(file, 1, 0, 2 * kBlock, true);
  ASSERT_TRUE(lease) << lease.error().Text();
  EXPECT_EQ(Shown(file, 1, *lease, 0, 0), "w2");
  EXPECT_EQ(SizeOf(file), kBlock + 10);
  direct().CloseSession(file, SessionId(1));
}

TEST_F(DirectAccessTest, AWriteLeaseMeetsNoHoleAndNothingUnwrittenOrShared) {
  const Ino file = FileOf(kFileBlocks);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 8 * kBlock));
  ASSERT_TRUE(data().SetSize(op(), clone, kFileBlocks * kBlock, false));
  ASSERT_TRUE(data().Allocate(op(), clone, FALLOC_FL_KEEP_SIZE, 10 * kBlock, 3 * kBlock));
  ASSERT_EQ(Shape(clone), "s8 h2 u3 h3");
  const std::string before = ReadAll(clone);

  const auto lease = Lease(clone, 1, 4 * kBlock, 10 * kBlock, true);
  ASSERT_TRUE(lease) << lease.error().Text();
  EXPECT_EQ(Shape(clone), "s4 w10 h2");
  EXPECT_EQ(ReadAll(clone), before);
  EXPECT_EQ(ReadAll(file), Pattern(kFileBlocks * kBlock));
  const auto pieces = direct().Layout(clone, SessionId(1), *lease, 4 * kBlock, 10 * kBlock, 64);
  ASSERT_TRUE(pieces);
  for (const LayoutPiece& piece : *pieces) EXPECT_EQ(piece.state, State::kWritten);

  // What the client stores is the file's, and nobody else's.
  Scribble(PlaceOf(clone, 9 * kBlock), "stored");
  Scribble(PlaceOf(clone, 4 * kBlock), "stored");
  EXPECT_EQ(ReadAt(clone, 9 * kBlock, 8), std::string("stored\0\0", 8));
  EXPECT_EQ(ReadAt(file, 4 * kBlock, 8), Pattern(kFileBlocks * kBlock).substr(4 * kBlock, 8));
  direct().CloseSession(clone, SessionId(1));
}

TEST_F(DirectAccessTest, WhatAWriteLeasePreparedIsThereAfterACrash) {
  const Ino file = MakeFile();
  ASSERT_TRUE(data().SetSize(op(), file, kMiB, false));
  ASSERT_TRUE(Lease(file, 1, 0, kMiB, true));
  Remount();
  EXPECT_EQ(Shape(file), "w256");
  EXPECT_EQ(ReadAll(file), Zeroes(kMiB));
}

TEST_F(DirectAccessTest, AWriteLeaseWithoutSpaceIsRefused) {
  const Ino file = MakeFile();
  ASSERT_TRUE(data().SetSize(op(), file, kMiB, false));
  mounted().FillUp(8);
  const auto lease = Lease(file, 1, 0, kMiB, true);
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, ENOSPC);
  EXPECT_TRUE(volume().layouts().Holders().empty());
  EXPECT_EQ(ReadAll(file), Zeroes(kMiB));
}

TEST_F(DirectAccessTest, L1_FillingAHoleRecallsWhoeverWasShownIt) {
  const Ino file = MakeFile();
  ASSERT_TRUE(data().SetSize(op(), file, 4 * kBlock, false));
  const auto reader = Lease(file, 1, 0, 4 * kBlock, false);
  ASSERT_TRUE(reader);
  EXPECT_EQ(Shown(file, 1, *reader, 0, 0), "h4");
  BreakAttempt attempt("lease");
  OpContext patient;
  patient.attempt = &attempt;
  const LeaseWish wish{.offset = kBlock, .length = kBlock, .write = true};
  const auto blocked = direct().Lease(patient, file, Client(2), wish);
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(Shape(file), "h4");
  ASSERT_TRUE(direct().Return(file, SessionId(1), *reader, 0, 0));
  EXPECT_TRUE(direct().Lease(patient, file, Client(2), wish));
  EXPECT_EQ(Shape(file), "h1 w1 h2");
  direct().CloseSession(file, SessionId(2));
}

TEST_F(DirectAccessTest, L7_UnsharingForAWriteLeaseWaitsForPins) {
  const Ino file = FileOf(kFileBlocks);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  const auto pin = direct().Pin(op(), clone, Client(1), {.offset = 2 * kBlock, .length = kBlock});
  ASSERT_TRUE(pin) << pin.error().Text();
  BreakAttempt attempt("lease");
  OpContext patient;
  patient.attempt = &attempt;
  const LeaseWish wish{.offset = 0, .length = 4 * kBlock, .write = true};
  const auto blocked = direct().Lease(patient, clone, Client(2), wish);
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(Shape(clone), "s16");
  ASSERT_TRUE(direct().Unpin(clone, SessionId(1), *pin));
  EXPECT_TRUE(direct().Lease(patient, clone, Client(2), wish));
  EXPECT_EQ(Shape(clone), "w4 s12");
  direct().CloseSession(clone, SessionId(2));
}

TEST_F(DirectAccessTest, L7_WhatAPinStoresToIsNotShared) {
  const Ino file = FileOf(4);
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  const PinWish stores{.offset = kBlock, .length = 2 * kBlock, .write = true};
  const auto pin = direct().Pin(op(), clone, Client(1), stores);
  ASSERT_TRUE(pin) << pin.error().Text();
  EXPECT_EQ(Shape(clone), "s1 w2 s1") << "it got blocks of its own";
  Scribble(PlaceOf(clone, kBlock), "stored");
  EXPECT_EQ(ReadAll(file), Pattern(4 * kBlock));

  const Ino third = MakeFile();
  BreakAttempt attempt("reflink");
  OpContext patient;
  patient.attempt = &attempt;
  const auto blocked = data().Reflink(patient, clone, 0, third, 0, 0);
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(SizeOf(third), 0u);
  EXPECT_TRUE(data().Reflink(patient, clone, 3 * kBlock, third, 0, kBlock)) << "beside the pin";
  Scribble(PlaceOf(clone, kBlock), "later!");
  ASSERT_TRUE(direct().Unpin(clone, SessionId(1), *pin));
  ASSERT_TRUE(data().Reflink(patient, clone, 0, third, 0, 0));
  EXPECT_EQ(ReadAt(third, kBlock, 6), "later!");
  EXPECT_EQ(Shape(third), "s4");
}

TEST_F(DirectAccessTest, L7_WhatCannotBeSharedIsCopied) {
  const Ino file = FileOf(4);
  const Ino copy = MakeFile();
  const PinWish stores{.offset = 0, .length = kBlock, .write = true};
  ASSERT_TRUE(direct().Pin(op(), file, Client(1), stores));
  BreakAttempt attempt("copy_file_range");
  attempt.OverridePolicy(daxcore::BusyPolicy::kFail, std::chrono::milliseconds(0));
  OpContext busy;
  busy.attempt = &attempt;
  EXPECT_EQ(data().Reflink(busy, file, 0, copy, 0, 0).error().code, EBUSY);
  const auto copied = data().CopyRange(busy, file, 0, copy, 0, 4 * kBlock);
  ASSERT_TRUE(copied) << copied.error().Text();
  EXPECT_EQ(*copied, 4 * kBlock);
  EXPECT_EQ(ReadAll(copy), ReadAll(file));
  EXPECT_EQ(Shape(file), "w4");
  direct().CloseSession(file, SessionId(1));
}

TEST_F(DirectAccessTest, L12_PinsNeedBlocksAndLongTermOnesALease) {
  const Ino file = FileOf(2);
  ASSERT_TRUE(data().SetSize(op(), file, 4 * kBlock, false));
  const PinWish transient{.offset = 0, .length = 2 * kBlock};
  const PinWish long_term{.offset = 0, .length = 2 * kBlock, .long_term = true};
  EXPECT_EQ(
      direct().Pin(op(), file, Client(1), {.offset = kBlock, .length = 2 * kBlock}).error().code,
      ENXIO);
  EXPECT_TRUE(direct().Pin(op(), file, Client(1), transient));
  EXPECT_EQ(direct().Pin(op(), file, Client(1), long_term).error().code, EOPNOTSUPP);
  ASSERT_TRUE(Lease(file, 1, 0, 2 * kBlock, false));
  EXPECT_TRUE(direct().Pin(op(), file, Client(1), long_term));
  EXPECT_EQ(direct().Pin(op(), file, Client(2), long_term).error().code, EOPNOTSUPP);
  direct().CloseSession(file, SessionId(1));
  EXPECT_TRUE(volume().layouts().Holders().empty());
}

TEST_F(DirectAccessTest, WhatIsHeldIsNamedBySession) {
  const Ino file = FileOf(4);
  const auto lease = Lease(file, 1, 0, 4 * kBlock, false);
  const auto pin = direct().Pin(op(), file, Client(1), {.offset = 0, .length = kBlock});
  ASSERT_TRUE(lease && pin);
  EXPECT_EQ(direct().Unpin(file, SessionId(2), *pin).error().code, ENOENT);
  EXPECT_EQ(direct().Return(file, SessionId(2), *lease, 0, 0).error().code, ENOENT);
  EXPECT_EQ(direct().Layout(file, SessionId(2), *lease, 0, 0, 64).error().code, ENOENT);
  EXPECT_EQ(direct().Layout(file, SessionId(1), *lease, 0, 8 * kBlock, 64).error().code, EINVAL);
  ASSERT_TRUE(direct().Return(file, SessionId(1), *lease, kBlock, kBlock));
  EXPECT_EQ(direct().Layout(file, SessionId(1), *lease, 0, 0, 64).error().code, EINVAL);
  EXPECT_EQ(Shown(file, 1, *lease, 0, kBlock), "w1");
  ASSERT_TRUE(direct().Return(file, SessionId(1), *lease, 0, 0));
  EXPECT_EQ(direct().Return(file, SessionId(1), *lease, 0, 0).error().code, ENOENT);
  ASSERT_TRUE(direct().Unpin(file, SessionId(1), *pin));
}

TEST_F(DirectAccessTest, L11_PinnedBlocksOutliveTheirFile) {
  const Ino file = FileOf(4);
  const auto pin = direct().Pin(op(), file, Client(1), {.offset = 0, .length = 4 * kBlock});
  ASSERT_TRUE(pin);
  const uint64_t place = PlaceOf(file, 0);
  BreakAttempt attempt("truncate");
  attempt.OverridePolicy(daxcore::BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  OpContext at_once;
  at_once.attempt = &attempt;
  ASSERT_TRUE(data().SetSize(at_once, file, 0, false));
  EXPECT_EQ(volume().layouts().quarantine().blocks(), BlockCount(4));
  const Ino other = MakeFile();
  mounted().FillUp();
  EXPECT_EQ(MediumAt(place, 4 * kBlock), Pattern(4 * kBlock));
  EXPECT_EQ(SizeOf(other), 0u);
  ASSERT_TRUE(direct().Unpin(file, SessionId(1), *pin));
  EXPECT_EQ(volume().layouts().quarantine().blocks(), BlockCount(0));
}

TEST_F(DirectAccessTest, PagesTellWhoHasThem) {
  const Ino file = FileOf(4);
  EXPECT_TRUE(direct().Pages(file, 0, 0)->empty());
  const auto pin = direct().Pin(op(), file, Client(1), {.offset = kBlock, .length = 2 * kBlock});
  ASSERT_TRUE(pin);
  const auto pages = direct().Pages(file, 0, 0);
  ASSERT_TRUE(pages);
  ASSERT_EQ(pages->size(), 1u);
  EXPECT_EQ(pages->front().entry.run.index, FileBlock(1));
  EXPECT_EQ(pages->front().page.owner, file);
  EXPECT_EQ(pages->front().page.pins(), 1u);
  direct().CloseSession(file, SessionId(1));
}

TEST_F(DirectAccessTest, UnmountLeavesOpenSessionsBehind) {
  const Ino file = FileOf(4);
  ASSERT_TRUE(direct().Pin(op(), file, Client(1), {.offset = 0, .length = kBlock}));
  ASSERT_TRUE(Lease(file, 2, 0, kBlock, false));
  mounted().Remount();
  EXPECT_EQ(ReadAll(file), Pattern(4 * kBlock));
}

// The file's blocks are moved by an insertion; that clients stored to them must not be forgotten.
TEST(DirectAccessDurability, E3_WhatClientsStoredIsFlushedBeforeItsEntriesAreForgotten) {
  tests::Recorder recorder;
  auto region = recorder.MakeRegion(uint64_t{16} << 20);
  ASSERT_TRUE(FormatRegion(*region, {}));
  auto fs = *Filesystem::Mount(std::move(region), {});
  const auto made = fs->MakeNode({}, Ino(kInoRoot), "file", S_IFREG | 0644, 0);
  ASSERT_TRUE(made);
  ASSERT_TRUE(fs->Open(made->ino));
  const Holder client{SessionId(1), *daxcore::Identify(getpid())};
  ASSERT_TRUE(fs->Write({}, made->ino, 0, std::vector<std::byte>(kBlock), /*kill=*/false));
  const auto lease =
      fs->direct().Lease({}, made->ino, client, {.offset = 0, .length = kBlock, .write = true});
  ASSERT_TRUE(lease);
  const auto pieces = fs->direct().Layout(made->ino, SessionId(1), *lease, 0, kBlock, 1);
  ASSERT_TRUE(pieces && pieces->size() == 1);
  const uint64_t block = pieces->front().region_offset;
  fs->direct().CloseSession(made->ino, SessionId(1));

  recorder.Clear();
  ASSERT_TRUE(fs->Allocate({}, made->ino, FALLOC_FL_INSERT_RANGE, 0, kBlock));
  ASSERT_TRUE(fs->Fsync(made->ino, /*data_only=*/false));
  const auto events = recorder.Events();
  const auto flushed = std::ranges::find_if(events, [block](const tests::RecordedEvent& event) {
    return event.kind == tests::PersistEvent::kFlush && event.offset <= block &&
           event.offset + event.length >= block + kBlock;
  });
  EXPECT_NE(flushed, events.end());
  EXPECT_TRUE(std::any_of(flushed, events.end(), [](const tests::RecordedEvent& event) {
    return event.kind == tests::PersistEvent::kDrain;
  }));
  fs->Release(made->ino);
}

}  // namespace
}  // namespace holdfast::fsmeta
