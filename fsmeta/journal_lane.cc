// SPDX-License-Identifier: Apache-2.0
// Reading and writing one journal lane.
#include "fsmeta/journal_lane.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/str_format.h"
#include "fsmeta/checksum.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kLinesPerBlock = kMetadataBlock / kLine;
constexpr uint64_t kHeadLines = 2;  // LaneHead, RecordHead

// Streams the body of a record to the medium in pieces that stay in the cache, and sums it up.
class BodyWriter {
 public:
  BodyWriter(Persist& persist, std::byte* target, Crc32c& crc)
      : persist_(persist), target_(target), crc_(crc) {}

  void Add(const void* bytes, size_t n) {
    std::memcpy(piece_.data() + used_, bytes, n);
    used_ += n;
    if (used_ == piece_.size()) Flush();
  }
  void PadToLine() {
    const size_t padded = AlignUp(used_, kLine);
    std::memset(piece_.data() + used_, 0, padded - used_);
    used_ = padded;
    if (used_ == piece_.size()) Flush();
  }
  void Flush() {
    if (used_ == 0) return;
    crc_.Add({piece_.data(), used_});
    persist_.CopyNt(target_, piece_.data(), used_);
    target_ += used_;
    used_ = 0;
  }

 private:
  Persist& persist_;
  std::byte* target_;
  Crc32c& crc_;
  size_t used_ = 0;
  alignas(kLine) std::array<std::byte, 8192> piece_;  // a multiple of every size added
};

// True if [start, start + blocks) is inside the filesystem and clear of superblock and journal.
bool IsLendable(const Superblock& superblock, uint64_t start, uint64_t blocks) {
  const uint64_t journal_end =
      superblock.journal_start + uint64_t{superblock.lane_count} * superblock.lane_blocks;
  if (start == 0 || start >= superblock.block_count) return false;
  if (blocks == 0 || blocks > superblock.block_count - start) return false;
  return start >= journal_end || start + blocks <= superblock.journal_start;
}

std::unexpected<Error> BadLane(uint32_t lane, const std::string& why) {
  return Fail(EUCLEAN, absl::StrFormat("journal lane %d: %s; run fsck.holdfast", lane, why));
}

// The body of a record whose head looks right, or nothing where it cannot be complete.
std::optional<std::span<const std::byte>> BodyOf(std::span<const std::byte> media,
                                                 const Superblock& superblock, uint64_t lane_at,
                                                 const RecordHead& head) {
  if (head.line_count == 0) return std::nullopt;  // nobody writes such
  const uint64_t lines = NumberLines(head.line_count) + head.line_count;
  if (head.spill_start == 0) {
    if (lines > superblock.lane_blocks * kLinesPerBlock - kHeadLines) return std::nullopt;
    return media.subspan(lane_at + kHeadLines * kLine, lines * kLine);
  }
  if (!IsLendable(superblock, head.spill_start, head.spill_blocks) ||
      lines > head.spill_blocks * kLinesPerBlock) {
    return std::nullopt;
  }
  return media.subspan(head.spill_start << kBlockShift, lines * kLine);
}

bool ChecksumHolds(RecordHead head, std::span<const std::byte> body) {
  const uint32_t stored = head.crc32c;
  head.crc32c = 0;
  Crc32c crc;
  crc.Add(std::as_bytes(std::span(&head, 1)));
  crc.Add(body);
  return crc.value() == stored || Seeded(SeededBug::kTornRecordReplayed);
}

// A record that checks out was written by us in full, so a line out of bounds is corruption.
Result<void> CheckLines(const Superblock& superblock, uint32_t lane,
                        std::span<const uint64_t> lines) {
  uint64_t after = 0;
  for (const uint64_t line : lines) {
    if (line < after || !IsLendable(superblock, line / kLinesPerBlock, 1)) {
      return BadLane(lane, absl::StrFormat("its record names line %d, which no record may", line));
    }
    after = line + 1;
  }
  return {};
}

}  // namespace

uint64_t LaneCapacity(uint64_t lane_blocks) {
  const uint64_t lines = lane_blocks * kLinesPerBlock - kHeadLines;
  return lines * 8 / 9;
}

BlockCount SpillBlocksFor(uint64_t lines) {
  return BlocksFor((NumberLines(lines) + lines) * kLine);
}

uint64_t LaneOffset(const Superblock& superblock, uint32_t lane) {
  return (superblock.journal_start + uint64_t{lane} * superblock.lane_blocks) << kBlockShift;
}

Result<LaneState> ReadLane(std::span<const std::byte> media, const Superblock& superblock,
                           uint32_t lane) {
  const uint64_t at = LaneOffset(superblock, lane);
  LaneHead lane_head;
  RecordHead head;
  std::memcpy(&lane_head, media.data() + at, sizeof(lane_head));
  std::memcpy(&head, media.data() + at + kLine, sizeof(head));
  if (lane_head.magic != kLaneMagic) return BadLane(lane, "its head has no magic");
  if (lane_head.lane != lane) return BadLane(lane, "its head names another lane");
  if (std::memcmp(lane_head.uuid, superblock.header.uuid, kUuidBytes) != 0) {
    return BadLane(lane, "its head has the uuid of another filesystem");
  }
  LaneState state{.retired = lane_head.retired, .live = std::nullopt};
  const bool is_next =
      head.number == lane_head.retired + 1 || Seeded(SeededBug::kRetiredRecordReplayed);
  if (!is_next) return state;
  HOLDFAST_ASSIGN(state.live, ReadRecord(media, superblock, lane));
  return state;
}

Result<std::optional<LiveRecord>> ReadRecord(std::span<const std::byte> media,
                                             const Superblock& superblock, uint32_t lane) {
  const uint64_t at = LaneOffset(superblock, lane);
  RecordHead head;
  std::memcpy(&head, media.data() + at + kLine, sizeof(head));
  if (head.magic != kRecordMagic ||
      std::memcmp(head.uuid, superblock.header.uuid, kUuidBytes) != 0) {
    return std::nullopt;
  }
  const auto body = BodyOf(media, superblock, at, head);
  if (!body || !ChecksumHolds(head, *body)) return std::nullopt;
  std::vector<uint64_t> lines(head.line_count);
  std::memcpy(lines.data(), body->data(), lines.size() * sizeof(uint64_t));
  HOLDFAST_TRY(CheckLines(superblock, lane, lines));
  return LiveRecord{.number = head.number,
                    .sequence = head.sequence,
                    .spill = {Pfn(head.spill_start), BlockCount(head.spill_blocks)},
                    .lines = std::move(lines),
                    .bytes = body->subspan(NumberLines(head.line_count) * kLine)};
}

void FormatLane(Region& region, const Superblock& superblock, uint32_t lane) {
  struct {
    LaneHead lane;
    RecordHead record;
  } heads = {};
  heads.lane.magic = kLaneMagic;
  std::memcpy(heads.lane.uuid, superblock.header.uuid, kUuidBytes);
  heads.lane.lane = lane;
  region.persist().CopyNt(region.Target(LaneOffset(superblock, lane)), &heads, sizeof(heads));
}

void WriteRecord(const Medium& medium, uint32_t lane, uint64_t number, const JournalRecord& record,
                 const Spill& spill) {
  const uint64_t at = LaneOffset(medium.superblock(), lane);
  RecordHead head{};
  head.magic = kRecordMagic;
  head.number = number;
  std::memcpy(head.uuid, medium.uuid().data(), kUuidBytes);
  head.line_count = static_cast<uint32_t>(record.lines.size());
  head.spill_start = spill.start.value();
  head.spill_blocks = spill.length.value();
  head.sequence = record.sequence;
  const bool spilled = spill.length.value() != 0;
  const uint64_t body = spilled ? ByteOffset(spill.start) : at + kHeadLines * kLine;

  Crc32c crc;
  crc.Add(std::as_bytes(std::span(&head, 1)));
  BodyWriter writer(medium.persist(), static_cast<std::byte*>(medium.region().Target(body)), crc);
  for (const uint64_t line : record.lines) writer.Add(&line, sizeof(line));
  writer.PadToLine();
  for (const std::byte* contents : record.contents) writer.Add(contents, kLine);
  writer.Flush();
  head.crc32c = crc.value();
  medium.persist().CopyNt(medium.region().Target(at + kLine), &head, sizeof(head));
}

}  // namespace holdfast::fsmeta
