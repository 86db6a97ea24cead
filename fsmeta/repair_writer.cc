// SPDX-License-Identifier: Apache-2.0
// The order of stores of a repair.
#include "fsmeta/repair_writer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daxcore/media_failure.h"
#include "fsmeta/journal.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

constexpr size_t kLinesPerBlock = kMetadataBlock / kLine;

// What the superblock is when the repair is done.
Superblock Mended(Superblock superblock) {
  superblock.incompat &= ~kIncompatRepairing;
  superblock.flags &= kFlagEmulated;
  superblock.header.reserved[0] = superblock.header.reserved[1] = 0;
  std::ranges::fill(superblock.reserved, 0);
  superblock.header.sequence =
      AlignDown(superblock.header.sequence, kSequencesPerMount) + kSequencesPerMount;
  return superblock;
}

// Forgets whatever the lane holds: first the record, so that no head can bring it back.
void EmptyLane(Region& region, const Superblock& superblock, uint32_t lane) {
  region.persist().ZeroNt(region.Target(LaneOffset(superblock, lane) + kLine), kLine);
  region.persist().Drain();
  FormatLane(region, superblock, lane);
  region.persist().Drain();
}

// A block of the image that differs from the medium.
struct ChangedBlock {
  int rank;
  Pfn at;
  const std::byte* bytes;
};

// Collects lines for one record, and commits it when the next block might not fit.
class RecordWriter {
 public:
  RecordWriter(Medium& medium, Journal& journal) : medium_(medium), journal_(journal) {}

  Result<void> Add(const ChangedBlock& block) {
    if (lines_.size() + kLinesPerBlock > journal_.lane_lines()) HOLDFAST_TRY(Commit());
    for (size_t i = 0; i < kLinesPerBlock; ++i) {
      const uint64_t offset = ByteOffset(block.at) + i * kLine;
      const std::byte* line = block.bytes + i * kLine;
      if (std::memcmp(medium_.region().At(offset), line, kLine) == 0) continue;
      lines_.emplace_back(offset / kLine, line);
    }
    return {};
  }

  Result<void> Commit() {
    if (lines_.empty()) return {};
    std::ranges::sort(lines_);
    std::vector<uint64_t> numbers;
    std::vector<const std::byte*> contents;
    for (const auto& [number, line] : lines_) {
      numbers.push_back(number);
      contents.push_back(line);
    }
    HOLDFAST_ASSIGN(const auto ticket, journal_.Begin({medium_.NextSequence(), numbers, contents}));
    for (const auto& [number, line] : lines_) {
      void* target = medium_.region().Target(number * kLine);
      medium_.persist().Store(target, line, kLine);
      medium_.persist().Flush(target, kLine);
    }
    medium_.persist().Drain();
    journal_.Retire(ticket);
    lines_.clear();
    return {};
  }

 private:
  Medium& medium_;
  Journal& journal_;
  std::vector<std::pair<uint64_t, const std::byte*>> lines_;
};

class Writer {
 public:
  Writer(Region& region, MediaFailure& failure, RepairState& state)
      : region_(region),
        failure_(failure),
        failed_before_(failure.poisoned_loads()),
        state_(state),
        medium_(region, state.superblock()) {}

  Result<void> Run(const UnsoundPlaces& unsound) {
    Superblock marked = state_.superblock();
    marked.incompat |= kIncompatRepairing;
    HOLDFAST_TRY(PutSuperblocks(marked));
    for (const BlockRun& run : unsound.failed) HOLDFAST_TRY(ZeroFailed(run));
    region_.persist().Drain();
    for (const uint32_t lane : unsound.lanes) {
      EmptyLane(region_, marked, lane);
    }
    HOLDFAST_TRY(Journal::Replay(medium_));
    HOLDFAST_TRY(PutFreshBlocks());
    HOLDFAST_TRY(PutTheRest());
    if (failure_.poisoned_loads() != failed_before_) {
      return Fail(EIO, "more memory failed during the repair; run fsck.holdfast -y again");
    }
    return PutSuperblocks(Mended(marked));
  }

 private:
  // But for the superblocks, which are good by now.
  Result<void> ZeroFailed(BlockRun run) {
    for (Pfn at = run.start; at < run.end(); at = at + BlockCount(1)) {
      if (!failure_.IsBad(ByteOffset(at), kBlockSize)) continue;
      HOLDFAST_TRY(failure_.PrepareOverwrite(at, BlockCount(1)));
      region_.persist().ZeroNt(region_.Target(ByteOffset(at)), kBlockSize);
    }
    return {};
  }

  Result<void> PutSuperblocks(const Superblock& superblock) {
    HOLDFAST_TRY(failure_.PrepareOverwrite(Pfn(0), BlockCount(1)));
    HOLDFAST_TRY(failure_.PrepareOverwrite(Pfn(superblock.block_count - 1), BlockCount(1)));
    WriteSuperblock(region_, superblock);
    return {};
  }

  Result<void> PutFreshBlocks() {
    Result<void> done;
    state_.image.ForEachEdited([&](Pfn at, const std::byte* bytes) {
      if (!done || !state_.space.IsFresh(at)) return;
      done = failure_.PrepareOverwrite(at, BlockCount(1));
      if (done) region_.persist().CopyNt(region_.Target(ByteOffset(at)), bytes, kBlockSize);
    });
    region_.persist().Drain();
    return done;
  }

  Result<void> PutTheRest() {
    std::vector<ChangedBlock> blocks;
    state_.image.ForEachEdited([&](Pfn at, const std::byte* bytes) {
      if (state_.space.IsFresh(at)) return;
      if (std::memcmp(region_.At(at), bytes, kBlockSize) == 0) return;
      blocks.push_back({RankOf(at, bytes), at, bytes});
    });
    std::ranges::stable_sort(blocks, {}, &ChangedBlock::rank);
    HOLDFAST_ASSIGN(const auto journal, Journal::Open(medium_));
    RecordWriter writer(medium_, *journal);
    for (const ChangedBlock& block : blocks) {
      HOLDFAST_TRY(failure_.PrepareOverwrite(block.at, BlockCount(1)));
      HOLDFAST_TRY(writer.Add(block));
    }
    return writer.Commit();
  }

  // A new lost+found and its name must come together, else the next repair finds either without the
  // other. The rest may come in any order that puts first what others follow from.
  int RankOf(Pfn at, const std::byte* bytes) const {
    ObjectHeader header;
    std::memcpy(&header, bytes, sizeof(header));
    const bool root = at == BlockOfSlot(kInoRoot) || header.owner == kInoRoot;
    switch (static_cast<ObjectType>(header.magic)) {
      case ObjectType::kInode:
        return root || at == BlockOfSlot(state_.new_lost_and_found) ? 0 : 1;
      case ObjectType::kGroupHeader:
      case ObjectType::kBitmap:
        return 4;
      case ObjectType::kInodeCluster:
        return 3;
      default:
        return root ? 0 : 2;
    }
  }
  Pfn BlockOfSlot(uint64_t ino) const { return Pfn(state_.SlotAt(ino).offset >> kBlockShift); }

  Region& region_;
  MediaFailure& failure_;
  const uint64_t failed_before_;  // loads
  RepairState& state_;
  Medium medium_;  // what it reads has been checked, and is not asked whether memory has failed
};

}  // namespace

Result<void> WriteRepair(Region& region, MediaFailure& failure, RepairState& state,
                         const UnsoundPlaces& unsound) {
  if (LaneCapacity(state.superblock().lane_blocks) < kLinesPerBlock) {
    return Fail(EOPNOTSUPP, "its journal lanes are too small for a repair");
  }
  return Writer(region, failure, state).Run(unsound);
}

}  // namespace holdfast::fsmeta
