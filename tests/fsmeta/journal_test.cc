// SPDX-License-Identifier: Apache-2.0
// Lanes: what was begun is replayed, what is torn or retired is not, and a lie is refused.
#include "fsmeta/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "fsmeta/superblock.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using tests::FormattedMedium;
using Image = std::vector<std::byte>;

// Some lines of free blocks and their new contents.
class LineSet {
 public:
  LineSet(Pfn start, size_t count, uint64_t fill) : bytes_(count) {
    for (size_t i = 0; i < count; ++i) {
      lines_.push_back((ByteOffset(start) / kLine) + i);
      bytes_[i].fill(std::byte{static_cast<uint8_t>(fill + i)});
    }
    for (const auto& line : bytes_) contents_.push_back(line.data());
  }
  JournalRecord Record(uint64_t sequence = 5) const { return {sequence, lines_, contents_}; }
  bool IsIn(std::span<const std::byte> media) const {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (std::memcmp(media.data() + lines_[i] * kLine, contents_[i], kLine) != 0) return false;
    }
    return true;
  }
  std::vector<uint64_t>& lines() { return lines_; }

 private:
  std::vector<uint64_t> lines_;
  std::vector<std::array<std::byte, kLine>> bytes_;
  std::vector<const std::byte*> contents_;
};

std::span<const std::byte> MediaOf(FormattedMedium& parts) {
  return {parts.region().base(), parts.region().size()};
}

TEST(Journal, BegunRecordsAreReplayedRetiredOnesAreNot) {
  FormattedMedium parts;
  const LineSet begun(parts.first_free(), 10, 1);
  const LineSet retired(parts.first_free() + BlockCount(1), 10, 100);
  ASSERT_TRUE(parts.journal().Begin(begun.Record()));
  const auto ticket = parts.journal().Begin(retired.Record());
  ASSERT_TRUE(ticket);
  parts.journal().Retire(*ticket);
  EXPECT_FALSE(begun.IsIn(MediaOf(parts)));
  parts.Remount();
  EXPECT_EQ(parts.replayed(), 1U);
  EXPECT_TRUE(begun.IsIn(MediaOf(parts)));
  EXPECT_FALSE(retired.IsIn(MediaOf(parts)));
  parts.Remount();
  EXPECT_EQ(parts.replayed(), 0U);
}

TEST(Journal, ReplaySeesTheSequencesOfItsRecords) {
  FormattedMedium parts;
  const LineSet lines(parts.first_free(), 1, 1);
  ASSERT_TRUE(parts.journal().Begin(lines.Record(777)));
  parts.Remount();
  EXPECT_EQ(parts.medium().NextSequence(), 778U);
}

TEST(Journal, LanesAreReusedWithRisingNumbers) {
  FormattedMedium parts;
  const LineSet lines(parts.first_free(), 3, 1);
  for (uint64_t i = 1; i <= 100; ++i) {
    const auto ticket = parts.journal().Begin(lines.Record());
    ASSERT_TRUE(ticket);
    EXPECT_EQ(ticket->number, i);  // the lane given back last comes first
    parts.journal().Retire(*ticket);
  }
  parts.Remount();
  EXPECT_EQ(parts.journal().Begin(lines.Record())->number, 101U);
}

// Every prefix of the record's stores, in every cut of its last line, and with any one of its
// stores missing: nothing is replayed until all of it is there.
TEST(Journal, TornRecordsNeverReplay) {
  tests::Recorder recorder;
  FormattedMedium parts(FormattedMedium::kDefaultBytes, {}, &recorder);
  const Image before = parts.Image();
  LineSet lines(parts.first_free(), 200, 7);
  ASSERT_TRUE(parts.journal().Begin(lines.Record()));
  std::vector<tests::RecordedEvent> stores;
  for (const auto& event : recorder.Events()) {
    if (event.kind == tests::PersistEvent::kCopyNt) stores.push_back(event);
  }
  ASSERT_GE(stores.size(), 3U);  // body in pieces, head
  const auto is_live = [&](const Image& image) {
    return ReadLane(image, parts.superblock(), 0)->live.has_value();
  };
  Image image = before;
  for (const auto& store : stores) {
    for (uint64_t bytes = 0; bytes < store.length; bytes += 8) {
      Image torn = image;
      recorder.Apply(store, torn, store.offset, bytes);
      ASSERT_FALSE(is_live(torn));
    }
    recorder.Apply(store, image);
  }
  EXPECT_TRUE(is_live(image));
  for (size_t missing = 0; missing < stores.size(); ++missing) {
    Image torn = before;
    for (size_t i = 0; i < stores.size(); ++i) {
      if (i != missing) recorder.Apply(stores[i], torn);
    }
    EXPECT_FALSE(is_live(torn)) << missing;
  }
  FormattedMedium again(image);
  EXPECT_EQ(again.replayed(), 1U);
  EXPECT_TRUE(lines.IsIn(MediaOf(again)));
}

TEST(Journal, AnyChangedByteOfARecordKillsIt) {
  FormattedMedium parts;
  const LineSet lines(parts.first_free(), 20, 7);
  ASSERT_TRUE(parts.journal().Begin(lines.Record()));
  Image image = parts.Image();
  const uint64_t lane = LaneOffset(parts.superblock(), 0);
  const uint64_t body = 2 * kLine + (NumberLines(20) + 20) * kLine;
  for (uint64_t at = kLine; at < body; ++at) {
    image[lane + at] ^= std::byte{0x40};
    const auto state = ReadLane(image, parts.superblock(), 0);
    ASSERT_TRUE(state);
    ASSERT_FALSE(state->live) << at;
    image[lane + at] ^= std::byte{0x40};
  }
  EXPECT_TRUE(ReadLane(image, parts.superblock(), 0)->live);
}

TEST(Journal, ReplayInterruptedAnywhereIsRepeated) {
  FormattedMedium parts;
  const LineSet one(parts.first_free(), 100, 1);
  const LineSet two(parts.first_free() + BlockCount(3), 50, 90);
  ASSERT_TRUE(parts.journal().Begin(one.Record()));
  ASSERT_TRUE(parts.journal().Begin(two.Record()));

  tests::Recorder recorder;
  const auto region = recorder.MakeRegion(FormattedMedium::kDefaultBytes);
  const Image before = parts.Image();
  region->persist().CopyNt(region->Target(0), before.data(), before.size());
  recorder.Clear();
  Medium medium(*region, *ReadSuperblock(*region));
  ASSERT_EQ(Journal::Replay(medium), 2U);

  Image image = before;
  for (const auto& event : recorder.Events()) {
    recorder.Apply(event, image);
    if (event.kind == tests::PersistEvent::kFlush) continue;
    FormattedMedium again(image);
    ASSERT_TRUE(one.IsIn(MediaOf(again)));
    ASSERT_TRUE(two.IsIn(MediaOf(again)));
  }
}

TEST(Journal, UnsoundLaneHeadsAreRefused) {
  for (const size_t field :
       {offsetof(LaneHead, magic), offsetof(LaneHead, uuid), offsetof(LaneHead, lane)}) {
    FormattedMedium parts;
    const LineSet lines(parts.first_free(), 5, 7);
    ASSERT_TRUE(parts.journal().Begin(lines.Record()));
    const uint64_t at = LaneOffset(parts.superblock(), parts.superblock().lane_count - 1) + field;
    const std::byte wrong = *parts.region().At(at) ^ std::byte{1};
    parts.region().persist().Store(parts.region().Target(at), &wrong, 1);
    const auto replayed = Journal::Replay(parts.medium());
    ASSERT_FALSE(replayed);
    EXPECT_EQ(replayed.error().code, EUCLEAN);
    EXPECT_FALSE(lines.IsIn(MediaOf(parts)));
    EXPECT_EQ(Journal::Open(parts.medium()).error().code, EUCLEAN);
  }
}

TEST(Journal, OpenRefusesWhatWasNotReplayed) {
  FormattedMedium parts;
  const LineSet lines(parts.first_free(), 5, 7);
  ASSERT_TRUE(parts.journal().Begin(lines.Record()));
  EXPECT_EQ(Journal::Open(parts.medium()).error().code, EUCLEAN);
}

// Records with a right checksum whose lines no record may name.
TEST(Journal, CraftedRecordsAreRefused) {
  FormattedMedium parts;
  const Superblock& superblock = parts.superblock();
  const uint64_t per_block = kMetadataBlock / kLine;
  const uint64_t bad_lines[] = {0,
                                superblock.journal_start * per_block,
                                (superblock.inode_cluster0 - 1) * per_block,
                                superblock.block_count * per_block,
                                ~uint64_t{0},
                                uint64_t{1} << 58};
  for (const uint64_t bad : bad_lines) {
    LineSet lines(parts.first_free(), 2, 7);
    lines.lines().back() = bad;
    WriteRecord(parts.medium(), 1, 1, lines.Record(), {});
    const auto replayed = Journal::Replay(parts.medium());
    ASSERT_FALSE(replayed) << bad;
    EXPECT_EQ(replayed.error().code, EUCLEAN);
  }
  LineSet repeated(parts.first_free(), 2, 7);
  repeated.lines()[1] = repeated.lines()[0];
  WriteRecord(parts.medium(), 1, 1, repeated.Record(), {});
  EXPECT_EQ(Journal::Replay(parts.medium()).error().code, EUCLEAN);
}

// Heads that claim bodies which cannot be: no record, no access out of bounds.
TEST(Journal, ImpossibleRecordHeadsAreNoRecords) {
  FormattedMedium parts;
  const LineSet lines(parts.first_free(), 2, 7);
  WriteRecord(parts.medium(), 0, 1, lines.Record(), {});
  const uint64_t at = LaneOffset(parts.superblock(), 0) + kLine;
  const auto good = *reinterpret_cast<const RecordHead*>(parts.region().At(at));
  const auto put = [&](const RecordHead& head) {
    parts.region().persist().Store(parts.region().Target(at), &head, sizeof(head));
  };
  const auto expect_dead = [&](const RecordHead& head) {
    put(head);
    const auto state = ReadLane(MediaOf(parts), parts.superblock(), 0);
    ASSERT_TRUE(state);
    EXPECT_FALSE(state->live);
  };
  RecordHead head = good;
  head.line_count = ~uint32_t{0};
  expect_dead(head);
  head = good;
  head.spill_start = ~uint64_t{0};
  head.spill_blocks = ~uint64_t{0};
  expect_dead(head);
  head.spill_start = parts.superblock().block_count - 1;
  head.spill_blocks = 2;
  expect_dead(head);
  head.spill_start = parts.superblock().journal_start;
  head.spill_blocks = 1;
  expect_dead(head);
  put(good);
  EXPECT_TRUE(ReadLane(MediaOf(parts), parts.superblock(), 0)->live);
}

TEST(Journal, ReadOnlyRegionWithLiveRecordsIsRefused) {
  const std::string path = testing::TempDir() + "journal_read_only";
  {
    FormattedMedium parts;
    const LineSet lines(parts.first_free(), 2, 7);
    ASSERT_TRUE(parts.journal().Begin(lines.Record()));
    ASSERT_TRUE(Region::CreateEmulatedFile(path, parts.region().size(), true));
    const auto region = *Region::Open(path, {});
    region->persist().CopyNt(region->Target(0), parts.region().base(), parts.region().size());
  }
  const auto region = *Region::Open(path, {.read_only = true});
  Medium medium(*region, *ReadSuperblock(*region));
  EXPECT_TRUE(medium.read_only());
  const auto replayed = Journal::Replay(medium);
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().code, EROFS);
  EXPECT_THAT(replayed.error().message, testing::HasSubstr("mount it once writable"));
  unlink(path.c_str());
}

// Lends the blocks from the end of the first group.
class FakeSpills : public SpillSource {
 public:
  explicit FakeSpills(Pfn start) : start_(start) {}
  Result<Spill> Borrow(BlockCount n) override {
    ++lent;
    return Spill{start_, n};
  }
  void Return(const Spill&) override { --lent; }
  int lent = 0;

 private:
  Pfn start_;
};

TEST(Journal, BigRecordsSpillAndReplayFromThere) {
  FormattedMedium parts;
  FakeSpills spills(Pfn(300));
  parts.journal().set_spill_source(&spills);
  const LineSet big(parts.first_free(), parts.journal().lane_lines() + 1, 3);
  ASSERT_TRUE(parts.journal().Begin(big.Record()));
  EXPECT_EQ(spills.lent, 1);
  Image image = parts.Image();
  FormattedMedium again(image);
  EXPECT_EQ(again.replayed(), 1U);
  EXPECT_TRUE(big.IsIn(MediaOf(again)));
  // Torn in the spilled part.
  image[300 * kBlockSize + 5000] ^= std::byte{1};
  FormattedMedium torn(image);
  EXPECT_EQ(torn.replayed(), 0U);
}

TEST(Journal, SpillsAreReturnedAtRetirement) {
  FormattedMedium parts;
  FakeSpills spills(Pfn(300));
  parts.journal().set_spill_source(&spills);
  const LineSet fits(parts.first_free(), parts.journal().lane_lines(), 3);
  parts.journal().Retire(*parts.journal().Begin(fits.Record()));
  EXPECT_EQ(spills.lent, 0);
  const LineSet big(parts.first_free(), parts.journal().lane_lines() + 1, 3);
  const auto ticket = parts.journal().Begin(big.Record());
  EXPECT_EQ(spills.lent, 1);
  parts.journal().Retire(*ticket);
  EXPECT_EQ(spills.lent, 0);
}

TEST(Journal, BigRecordWithoutSpillsIsNoSpace) {
  FormattedMedium parts;
  const LineSet big(parts.first_free(), parts.journal().lane_lines() + 1, 3);
  const auto ticket = parts.journal().Begin(big.Record());
  ASSERT_FALSE(ticket);
  EXPECT_EQ(ticket.error().code, ENOSPC);
}

TEST(Journal, CapacityIsWhatFits) {
  for (const uint64_t blocks : {1, 2, 8, 16, 64}) {
    const uint64_t lines = LaneCapacity(blocks);
    EXPECT_LE((2 + NumberLines(lines) + lines) * kLine, blocks * kBlockSize);
    EXPECT_GT((2 + NumberLines(lines + 1) + lines + 1) * kLine, blocks * kBlockSize);
  }
  EXPECT_EQ(SpillBlocksFor(57), BlockCount(2));
  EXPECT_EQ(SpillBlocksFor(56), BlockCount(1));
}

TEST(Journal, MoreThreadsThanLanesAllGetThrough) {
  FormattedMedium parts;
  constexpr int kThreads = 12;
  ASSERT_LT(parts.superblock().lane_count, static_cast<uint32_t>(kThreads));
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const LineSet lines(parts.first_free() + BlockCount(static_cast<uint64_t>(t)), 4,
                          static_cast<uint64_t>(t));
      for (int i = 0; i < 500; ++i) {
        const auto ticket = parts.journal().Begin(lines.Record());
        ASSERT_TRUE(ticket);
        parts.journal().Retire(*ticket);
        ++done;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * 500);
  parts.Remount();
  EXPECT_EQ(parts.replayed(), 0U);
}

}  // namespace
}  // namespace holdfast::fsmeta
