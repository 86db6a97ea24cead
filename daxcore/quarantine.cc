// SPDX-License-Identifier: Apache-2.0
// Quarantined pages, found by page number when they become idle.
#include "daxcore/quarantine.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "daxcore/range_set.h"

namespace holdfast::daxcore {
namespace {

constexpr BlockCount kGroup = BlocksOf(PageOrder::k2M);

uint64_t GroupOf(Pfn pfn) { return pfn.value() / kGroup.value(); }

// The front of `pages` up to the next 2 MiB boundary.
PfnRange FirstGroupPart(PfnRange pages) {
  const Pfn end = HeadOf(pages.start, PageOrder::k2M) + kGroup;
  return {pages.start, std::min(end, pages.end()) - pages.start};
}

}  // namespace

struct Quarantine::State : std::enable_shared_from_this<State> {
  // Pages that left one file together.
  struct Batch {
    QuarantinedRun about;  // `pages` unused
    std::vector<ProcessId> must_die;
    bool complete = false;  // all its pages are in
    RangeSet pages;
    RangeSet associated;  // those with a descriptor in use: the others this daemon never saw mapped
  };

  State(PageTable& table_in, MappingId name_in, Timer& timer_in, QuarantineStore* store_in)
      : table(table_in), name(name_in), timer(timer_in), store(store_in) {}

  void AddPages(BatchId id, PfnRange pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TakeIdleOf(BatchId id, PfnRange part, std::vector<PfnRange>& freed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Take(Batch& batch, PfnRange pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TakeIdle(PfnRange pages, std::vector<PfnRange>& freed);
  void Died(BatchId id, const ProcessId& process);
  void ReleaseIdleOf(BatchId id);
  void Release(const std::vector<PfnRange>& freed);

  PageTable& table;
  const MappingId name;
  Timer& timer;
  QuarantineStore* const store;
  std::atomic<uint64_t> blocks{0};
  mutable absl::Mutex mutex;
  BatchId next_id ABSL_GUARDED_BY(mutex) = 1;
  std::map<BatchId, Batch> batches ABSL_GUARDED_BY(mutex);
  // Which batches have pages in a 2 MiB group: a page may be in several, once for each file it
  // left.
  absl::flat_hash_map<uint64_t, absl::InlinedVector<BatchId, 1>> groups ABSL_GUARDED_BY(mutex);
};

Quarantine::Quarantine(PageTable& table, MappingId name, Timer& timer, QuarantineStore* store)
    : state_(std::make_shared<State>(table, name, timer, store)) {}

// What is still quarantined stays so on the medium.
Quarantine::~Quarantine() {
  absl::MutexLock lock(&state_->mutex);
  for (auto& [id, batch] : state_->batches) {
    while (const auto run = batch.pages.Next(0, UINT64_MAX)) {
      state_->Take(batch, {Pfn(run->start), BlockCount(run->end - run->start)});
    }
  }
  state_->batches.clear();
  state_->groups.clear();
}

BlockCount Quarantine::blocks() const {
  return BlockCount(state_->blocks.load(std::memory_order_relaxed));
}

Quarantine::BatchId Quarantine::NewBatch(Ino former_ino, std::vector<ProcessId> holders,
                                         std::vector<ProcessId> must_die) {
  BatchId id;
  {
    absl::MutexLock lock(&state_->mutex);
    id = state_->next_id++;
    State::Batch& batch = state_->batches[id];
    batch.about.former_ino = former_ino;
    batch.about.holders = std::move(holders);
    batch.must_die = must_die;
  }
  for (const ProcessId& process : must_die) {
    state_->timer.AtExit(process, [weak = state_->weak_from_this(), id, process] {
      if (const auto state = weak.lock()) state->Died(id, process);
    });
  }
  return id;
}

BlockCount Quarantine::Admit(BatchId id, Mapping* former, const FileRun& run) {
  const FileRun part{run.index, run.pfn, FirstGroupPart(run.pages()).length};
  absl::MutexLock lock(&state_->mutex);
  state_->AddPages(id, part.pages());
  if (former == nullptr) return part.length;
  for (const PfnRange& pages : former->HandOver(part, state_->name)) {
    state_->batches.at(id).associated.Add(pages.start.value(), pages.end().value());
  }
  return part.length;
}

void Quarantine::Settle(BatchId id) {
  {
    absl::MutexLock lock(&state_->mutex);
    const auto batch = state_->batches.find(id);
    batch->second.complete = true;
    if (batch->second.pages.empty()) state_->batches.erase(batch);
  }
  state_->ReleaseIdleOf(id);
}

bool Quarantine::Restore(const QuarantinedRun& run) {
  std::vector<ProcessId> alive;
  std::ranges::copy_if(run.holders, std::back_inserter(alive), IsAlive);
  if (alive.empty()) return false;
  const BatchId id = NewBatch(run.former_ino, run.holders, std::move(alive));
  for (FileRun rest{FileBlock(0), run.pages.start, run.pages.length}; !rest.pages().empty();) {
    const BlockCount done = Admit(id, nullptr, rest);
    rest = {rest.index, rest.pfn + done, rest.length - done};
  }
  Settle(id);
  return true;
}

void Quarantine::OnIdle(std::span<const PfnRange> pages) {
  if (state_->blocks.load(std::memory_order_acquire) == 0) return;
  std::vector<PfnRange> freed;
  for (const PfnRange& run : pages) state_->TakeIdle(run, freed);
  state_->Release(freed);
}

std::vector<QuarantinedRun> Quarantine::List() const {
  std::vector<QuarantinedRun> list;
  absl::MutexLock lock(&state_->mutex);
  for (const auto& [id, batch] : state_->batches) {
    uint64_t at = 0;
    while (const auto run = batch.pages.Next(at, UINT64_MAX)) {
      QuarantinedRun item = batch.about;
      item.pages = {Pfn(run->start), BlockCount(run->end - run->start)};
      list.push_back(std::move(item));
      at = run->end;
    }
  }
  return list;
}

// `pages` lie in one group.
void Quarantine::State::AddPages(BatchId id, PfnRange pages) {
  batches.at(id).pages.Add(pages.start.value(), pages.end().value());
  auto& ids = groups[GroupOf(pages.start)];
  if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  blocks.fetch_add(pages.length.value(), std::memory_order_release);
}

void Quarantine::State::Take(Batch& batch, PfnRange pages) {
  uint64_t at = pages.start.value();
  while (const auto run = batch.associated.Next(at, pages.end().value())) {
    const FileRun part{FileBlock(run->start), Pfn(run->start), BlockCount(run->end - run->start)};
    table.Disassociate(name, part, Disassociation::kInvalidate);
    at = run->end;
  }
  batch.associated.Remove(pages.start.value(), pages.end().value());
  batch.pages.Remove(pages.start.value(), pages.end().value());
  blocks.fetch_sub(pages.length.value(), std::memory_order_relaxed);
}

// What is idle of the batch's pages in `part`, which lies in one group, leaves it; the batch goes
// with its last page. A page that is no file's any more gets no new references, so idle stays idle;
// one that another file shares may get some, but those are that file's affair.
void Quarantine::State::TakeIdleOf(BatchId id, PfnRange part, std::vector<PfnRange>& freed) {
  Batch& batch = batches.at(id);
  uint64_t at = part.start.value();
  while (const auto run = batch.pages.Next(at, part.end().value())) {
    const PfnRange pages{Pfn(run->start), BlockCount(run->end - run->start)};
    const auto busy = table.NextReferenced(pages);
    const Pfn idle_end = busy ? busy->start : pages.end();
    if (idle_end > pages.start) {
      freed.push_back({pages.start, idle_end - pages.start});
      Take(batch, freed.back());
    }
    at = busy ? busy->end().value() : run->end;
  }
  const Pfn group = HeadOf(part.start, PageOrder::k2M);
  if (batch.pages.Overlaps(group.value(), (group + kGroup).value())) return;
  const auto entry = groups.find(GroupOf(group));
  entry->second.erase(std::ranges::find(entry->second, id));
  if (entry->second.empty()) groups.erase(entry);
  if (batch.pages.empty() && batch.complete) batches.erase(id);
}

void Quarantine::State::TakeIdle(PfnRange pages, std::vector<PfnRange>& freed) {
  while (!pages.empty()) {
    const PfnRange part = FirstGroupPart(pages);
    pages = {part.end(), pages.length - part.length};
    absl::MutexLock lock(&mutex);
    const auto group = groups.find(GroupOf(part.start));
    if (group == groups.end()) continue;
    const auto ids = group->second;  // TakeIdleOf changes the original
    for (const BatchId id : ids) {
      if (batches.at(id).must_die.empty()) TakeIdleOf(id, part, freed);
    }
  }
}

void Quarantine::State::Died(BatchId id, const ProcessId& process) {
  {
    absl::MutexLock lock(&mutex);
    const auto batch = batches.find(id);
    if (batch == batches.end()) return;
    std::erase(batch->second.must_die, process);
  }
  ReleaseIdleOf(id);
}

// Releases what is idle of a batch that waits for no process, a group at a time.
void Quarantine::State::ReleaseIdleOf(BatchId id) {
  std::vector<PfnRange> freed;
  for (uint64_t at = 0;;) {
    absl::MutexLock lock(&mutex);
    const auto batch = batches.find(id);
    if (batch == batches.end() || !batch->second.must_die.empty()) break;
    const auto run = batch->second.pages.Next(at, UINT64_MAX);
    if (!run) break;
    const PfnRange part = FirstGroupPart({Pfn(run->start), BlockCount(run->end - run->start)});
    at = part.end().value();
    TakeIdleOf(id, part, freed);
  }
  Release(freed);
}

void Quarantine::State::Release(const std::vector<PfnRange>& freed) {
  if (!freed.empty() && store != nullptr) store->Release(freed);
}

}  // namespace holdfast::daxcore
