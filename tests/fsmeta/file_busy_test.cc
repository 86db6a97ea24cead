// SPDX-License-Identifier: Apache-2.0
// Changes of files whose blocks somebody has pinned: rules L5, L7, L11, L14 and P9 from above.
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <vector>

#include "fsmeta/file_extent_mapper.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kFileBlocks = 16;
constexpr uint64_t kPinned = 5;  // the block that is pinned

// One change of a file whose block 5 is pinned.
struct BusyCase {
  const char* name;
  std::function<Result<void>(FileData, const OpContext&, Ino file, Ino other)> change;
  bool waits;

  friend void PrintTo(const BusyCase& of, std::ostream* out) { *out << of.name; }
};

Result<void> Done(Result<uint64_t> count) {
  if (!count) return Pass(std::move(count));
  return {};
}

auto Fallocate(int mode, uint64_t block, uint64_t blocks) {
  return [=](FileData data, const OpContext& op, Ino file, Ino) {
    return data.Allocate(op, file, mode, block * kBlock, blocks * kBlock);
  };
}

auto Punched(uint64_t offset, uint64_t length) {
  return [=](FileData data, const OpContext& op, Ino file, Ino) {
    return data.Allocate(op, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  };
}

auto Resized(uint64_t size) {
  return [=](FileData data, const OpContext& op, Ino file, Ino) {
    return data.SetSize(op, file, size, false);
  };
}

const BusyCase kCases[] = {
    {"Truncate", Resized(3 * kBlock), true},
    {"TruncateInsideThePinnedBlock", Resized(5 * kBlock + 1), true},
    {"TruncateBehind", Resized(6 * kBlock), false},
    {"Extend", Resized(40 * kBlock), false},
    {"Punch", Punched(4 * kBlock, 3 * kBlock), true},
    {"PunchAnEdge", Punched(5 * kBlock + 4000, 3 * kBlock), true},
    {"PunchElsewhere", Punched(6 * kBlock, 3 * kBlock), false},
    {"Zero", Fallocate(FALLOC_FL_ZERO_RANGE, 5, 1), true},
    {"Collapse", Fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 1), true},
    {"CollapseBehind", Fallocate(FALLOC_FL_COLLAPSE_RANGE, 6, 1), false},
    {"Insert", Fallocate(FALLOC_FL_INSERT_RANGE, 2, 1), true},
    {"Preallocate", Fallocate(0, 0, 40), false},
    {"Unshare", Fallocate(FALLOC_FL_UNSHARE_RANGE, 0, 16), false},
    {"ReflinkInto",
     [](FileData data, const OpContext& op, Ino file, Ino other) {
       return data.Reflink(op, other, 0, file, 4 * kBlock, 2 * kBlock);
     },
     true},
    {"ReflinkFrom",
     [](FileData data, const OpContext& op, Ino file, Ino other) {
       return data.Reflink(op, file, 0, other, 0, 0);
     },
     false},
    {"CopyInto",
     [](FileData data, const OpContext& op, Ino file, Ino other) {
       return Done(data.CopyRange(op, other, 0, file, 4 * kBlock, 4 * kBlock));
     },
     true},
    {"WriteInPlace",
     [](FileData data, const OpContext& op, Ino file, Ino) {
       const std::byte bytes[100] = {};
       return Done(data.Write(op, file, 5 * kBlock, bytes, false));
     },
     false},
};

class FileBusyTest : public DataFixture, public testing::WithParamInterface<BusyCase> {
 protected:
  PinId Pin(Ino ino, uint64_t block) {
    const InodeRef inode = volume().live().Get(ino);
    const auto self = daxcore::Identify(getpid());
    EXPECT_TRUE(self);
    PinRequest request;
    request.holder = {SessionId(1), *self};
    request.range = {FileBlock(block), FileBlock(block + 1)};
    FileExtentMapper mapper(volume());
    absl::ReaderMutexLock layout(&inode->layout.layout_lock());
    const auto pinned = volume().layouts().Pin(inode->layout, request, mapper);
    EXPECT_TRUE(pinned) << pinned.error().Text();
    return pinned ? pinned->id : PinId(0);
  }
  void Unpin(Ino ino, PinId pin) {
    const InodeRef inode = volume().live().Get(ino);
    ASSERT_TRUE(volume().layouts().Unpin(inode->layout, SessionId(1), pin));
  }
  void TearDown() override {
    EXPECT_EQ(volume().pages().canary_hits(), 0u);
    DataFixture::TearDown();
  }
};

using FileWaitTest = FileBusyTest;  // of the cases that wait

TEST_P(FileBusyTest, L7_WaitsForThePinExactlyIfItTouchesTheBlock) {
  const Ino file = MakeFile();
  const Ino other = MakeFile();
  const std::string bytes = Pattern(kFileBlocks * kBlock);
  WriteAt(file, 0, bytes);
  WriteAt(other, 0, Pattern(8 * kBlock, 2));
  const PinId pin = Pin(file, kPinned);
  const uint64_t place = PlaceOf(file, kPinned * kBlock);
  const uint64_t free = FreeBlocks();

  BreakAttempt attempt("test");
  OpContext op;
  op.attempt = &attempt;
  const auto first = GetParam().change(data(), op, file, other);
  EXPECT_EQ(first.has_value(), !GetParam().waits);
  if (GetParam().waits) {
    ASSERT_TRUE(first.error().blocked());
    EXPECT_EQ(ReadAll(file), bytes);
    EXPECT_EQ(SizeOf(file), bytes.size());
    EXPECT_EQ(FreeBlocks(), free);
    // Without the right to wait it is refused at once.
    const auto impatient = GetParam().change(data(), OpContext{}, file, other);
    ASSERT_FALSE(impatient);
    EXPECT_EQ(impatient.error().code, EAGAIN);
    EXPECT_FALSE(impatient.error().blocked());
  }
  EXPECT_EQ(MediumAt(place + 200, kBlock - 200),
            bytes.substr(kPinned * kBlock + 200, kBlock - 200));
  Unpin(file, pin);
  if (!GetParam().waits) return;
  const auto last = GetParam().change(data(), op, file, other);
  EXPECT_TRUE(last) << last.error().Text();
}

TEST_P(FileWaitTest, L5_AnInterruptedWaitLeavesTheFileAlone) {
  const Ino file = MakeFile();
  const Ino other = MakeFile();
  WriteAt(file, 0, Pattern(kFileBlocks * kBlock));
  WriteAt(other, 0, Pattern(8 * kBlock, 2));
  const PinId pin = Pin(file, kPinned);
  BreakAttempt attempt("test");
  OpContext op;
  op.attempt = &attempt;
  ASSERT_FALSE(GetParam().change(data(), op, file, other));
  attempt.Interrupt();
  EXPECT_EQ(GetParam().change(data(), op, file, other).error().code, EINTR);
  EXPECT_EQ(ReadAll(file), Pattern(kFileBlocks * kBlock));
  Unpin(file, pin);
}

std::vector<BusyCase> ThoseThatWait() {
  std::vector<BusyCase> cases;
  std::ranges::copy_if(kCases, std::back_inserter(cases), &BusyCase::waits);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Every, FileBusyTest, testing::ValuesIn(kCases),
                         [](const auto& of) { return of.param.name; });
INSTANTIATE_TEST_SUITE_P(Every, FileWaitTest, testing::ValuesIn(ThoseThatWait()),
                         [](const auto& of) { return of.param.name; });

TEST_F(FileBusyTest, L7_CopyOnWriteOfAPinnedBlockWaits) {
  const Ino file = MakeFile();
  WriteAt(file, 0, Pattern(kFileBlocks * kBlock));
  const Ino clone = MakeFile();
  ASSERT_TRUE(data().Reflink(op(), file, 0, clone, 0, 0));
  const PinId pin = Pin(clone, kPinned);
  BreakAttempt attempt("write");
  OpContext op;
  op.attempt = &attempt;
  const std::byte byte{1};
  EXPECT_TRUE(data().Write(op, clone, 4 * kBlock, {&byte, 1}, false));
  const auto blocked = data().Write(op, clone, kPinned * kBlock, {&byte, 1}, false);
  ASSERT_FALSE(blocked);
  EXPECT_TRUE(blocked.error().blocked());
  EXPECT_EQ(ReadAt(clone, kPinned * kBlock, 1), ReadAt(file, kPinned * kBlock, 1));
  // The other owner does not have the page mapped and need not wait.
  EXPECT_TRUE(data().Write(op, file, kPinned * kBlock, {&byte, 1}, false));
  Unpin(clone, pin);
  EXPECT_TRUE(data().Write(op, clone, kPinned * kBlock, {&byte, 1}, false));
}

}  // namespace
}  // namespace holdfast::fsmeta
