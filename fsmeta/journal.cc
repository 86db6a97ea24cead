// SPDX-License-Identifier: Apache-2.0
// Handing out lanes, and replaying what a crash left in them.
#include "fsmeta/journal.h"

#include <spdlog/spdlog.h>

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "fsmeta/seeded_bug.h"
#include "fsmeta/transaction_limits.h"

namespace holdfast::fsmeta {
namespace {

std::span<const std::byte> MediaOf(const Medium& medium) {
  return {medium.region().base(), Bytes(medium.blocks())};
}

// Flushed, not drained.
void StoreRetired(const Medium& medium, uint32_t lane, uint64_t number) {
  void* retired =
      medium.region().Target(LaneOffset(medium.superblock(), lane) + offsetof(LaneHead, retired));
  medium.persist().Store(retired, &number, sizeof(number));
  if (!Seeded(SeededBug::kRetiredNotFlushed)) medium.persist().Flush(retired, sizeof(number));
}

void ApplyLive(const Medium& medium, const LiveRecord& record) {
  const size_t count = record.lines.size() - (Seeded(SeededBug::kReplayStopsEarly) ? 1 : 0);
  for (size_t i = 0; i < count; ++i) {
    void* target = medium.region().Target(record.lines[i] * kLine);
    const size_t from = Seeded(SeededBug::kReplayInWrongOrder) ? count - 1 - i : i;
    medium.persist().Store(target, record.bytes.data() + from * kLine, kLine);
    if (!Seeded(SeededBug::kReplayNotFlushed)) medium.persist().Flush(target, kLine);
  }
}

}  // namespace

// The last lane given back is the first one given out: its lines are the warmest.
struct Journal::Lanes {
  absl::Mutex mutex;
  std::vector<uint32_t> free ABSL_GUARDED_BY(mutex);
  std::vector<uint64_t> retired;  // by lane; belongs to whoever occupies the lane

  uint32_t Take() {
    const auto any_free = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) { return !free.empty(); };
    absl::MutexLock lock(&mutex, absl::Condition(&any_free));
    const uint32_t lane = free.back();
    free.pop_back();
    return lane;
  }
  void GiveBack(uint32_t lane) {
    absl::MutexLock lock(&mutex);
    free.push_back(lane);
  }
};

Journal::Journal(Medium& medium)
    : medium_(medium),
      lane_lines_(LaneCapacity(medium.superblock().lane_blocks)),
      lanes_(std::make_unique<Lanes>()) {}

Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::Open(Medium& medium) {
  std::unique_ptr<Journal> journal(new Journal(medium));
  const Superblock& superblock = medium.superblock();
  absl::MutexLock lock(&journal->lanes_->mutex);
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    HOLDFAST_ASSIGN(const LaneState state, ReadLane(MediaOf(medium), superblock, lane));
    if (state.live) {
      return Fail(EUCLEAN, absl::StrCat("journal lane ", lane, " holds a record to replay"));
    }
    journal->lanes_->retired.push_back(state.retired);
    journal->lanes_->free.push_back(superblock.lane_count - 1 - lane);
  }
  return journal;
}

void Journal::Format(Region& region, const Superblock& superblock) {
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    FormatLane(region, superblock, lane);
  }
}

Result<uint64_t> Journal::Replay(Medium& medium) {
  const Superblock& superblock = medium.superblock();
  std::vector<std::pair<uint32_t, LiveRecord>> live;
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    HOLDFAST_ASSIGN(LaneState state, ReadLane(MediaOf(medium), superblock, lane));
    if (state.live) live.emplace_back(lane, *std::move(state.live));
  }
  if (live.empty()) return 0;
  if (medium.region().read_only()) {
    return Fail(EROFS, absl::StrCat("region ", medium.region().path(),
                                    " was not unmounted cleanly and its journal must be replayed, "
                                    "but it cannot be written; mount it once writable"));
  }
  HOLDFAST_TRY(medium.CheckMemory());
  for (const auto& [lane, record] : live) {
    ApplyLive(medium, record);
    medium.SawSequence(record.sequence);
  }
  // Only when all of it is in place may any record be forgotten.
  if (!Seeded(SeededBug::kReplayNotDrained)) medium.persist().Drain();
  HOLDFAST_TRY(medium.CheckMemory());
  for (const auto& [lane, record] : live) StoreRetired(medium, lane, record.number);
  medium.persist().Drain();
  spdlog::info("region {}: replayed {} transactions", medium.region().path(), live.size());
  return live.size();
}

Result<Spill> Journal::BorrowFor(const JournalRecord& record) {
  if (record.lines.size() <= lane_lines_) return Spill{};
  if (spill_source_ == nullptr || record.lines.size() > TransactionLimits::kMaxLines) {
    return Fail(ENOSPC, absl::StrCat("a change of ", record.lines.size(),
                                     " cache lines does not fit the journal"));
  }
  return spill_source_->Borrow(SpillBlocksFor(record.lines.size()));
}

Result<Journal::Ticket> Journal::Begin(const JournalRecord& record) {
  HOLDFAST_ASSIGN(const Spill spill, BorrowFor(record));
  const uint32_t lane = lanes_->Take();
  const uint64_t number = lanes_->retired[lane] + 1;
  // What the record will refer to must not be overtaken by it: stores of one drain have no order.
  if (!Seeded(SeededBug::kRecordBeforeData)) medium_.persist().Drain();
  WriteRecord(medium_, lane, number, record, spill);
  if (!Seeded(SeededBug::kRecordNotDrained)) medium_.persist().Drain();
  if (auto memory = medium_.CheckMemory(); !memory) {
    lanes_->GiveBack(lane);
    return Pass(std::move(memory));
  }
  return Ticket{lane, number, spill};
}

void Journal::Retire(const Ticket& ticket) {
  StoreRetired(medium_, ticket.lane, ticket.number);
  medium_.persist().Drain();
  lanes_->retired[ticket.lane] = ticket.number;
  lanes_->GiveBack(ticket.lane);
  if (ticket.spill.length.value() != 0) spill_source_->Return(ticket.spill);
}

}  // namespace holdfast::fsmeta
