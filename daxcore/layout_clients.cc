// SPDX-License-Identifier: Apache-2.0
// What clients hold: leases, mapped extents, pins.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daxcore/layout.h"
#include "daxcore/layout_state.h"

namespace holdfast::daxcore {
namespace {

bool IsSound(FileRange range) { return !range.empty() && range.end <= kFileEnd; }

// Adds an extent to a list, to the last one if it goes on there. False if the list is full.
bool Append(std::vector<LayoutExtent>& list, const LayoutExtent& next, size_t most) {
  if (!list.empty()) {
    LayoutExtent& last = list.back();
    const bool in_a_row =
        last.index + last.length == next.index && last.state == next.state &&
        last.shared == next.shared &&
        (next.state != ExtentState::kWritten || last.pfn + last.length == next.pfn);
    if (in_a_row) {
      last.length += next.length;
      return true;
    }
  }
  if (list.size() == most) return false;
  list.push_back(next);
  return true;
}

}  // namespace

// Makes entries for the front of a written extent, one bounded step; tells how much has them now.
Result<BlockCount> LayoutManager::InsertStep(LayoutState& state, const MappedExtent& extent,
                                             bool write) {
  state.mutex.AssertHeld();
  HOLDFAST_ASSIGN(Mapping * mapping, state.EnsureMapping());
  const FileRun run{extent.index, extent.pfn, extent.length};
  const Progress made = mapping->Insert(run, extent.shared, write);
  if (made.code == EBUSY) {
    return Blocked(WaitFor(state, run.range(), state.epoch, std::nullopt, std::nullopt));
  }
  if (made.code != 0) return Fail(made.code);
  const auto entry = mapping->Find(extent.index);
  if (!entry) return BlockCount(0);
  const BlockCount most(PageTable::kBatch * BlocksOf(entry->order).value());
  return std::min({made.done, most, entry->run.end() - extent.index});
}

Result<LeaseId> LayoutManager::Lease(InodeLayout& layout, const LeaseRequest& request,
                                     BreakAttempt& attempt) {
  if (!IsSound(request.range)) return Fail(EINVAL);
  LayoutState& state = *EnsureState(layout);
  Aftermath after;
  Result<LeaseId> result = Fail(EAGAIN);
  Findings found;
  {
    absl::MutexLock lock(&state.mutex);
    state.VoidExpired(after);
    found = RecallConflicts(state, request, attempt, after);
    if (!found.busy && !found.recall_pending) result = Grant(state, request);
  }
  Finish(after);
  if (!found.busy && !found.recall_pending) return result;
  return AwaitLease(state, request.range, attempt, found);
}

// A lease conflicts with leases of others if either is exclusive; void ones only by what they still
// map. Breaks that are under way come first, unless this process could be what they wait for (L4).
LayoutManager::Findings LayoutManager::RecallConflicts(LayoutState& state,
                                                       const LeaseRequest& request,
                                                       const BreakAttempt& attempt,
                                                       Aftermath& after) {
  state.mutex.AssertHeld();
  const auto break_time = policy().break_time;
  Findings found;
  for (auto& [id, lease] : state.leases) {
    if (lease->holder.session == request.holder.session) continue;
    if (!request.exclusive && !lease->exclusive) continue;
    if (lease->state == LeaseState::kVoid) {
      found.busy = found.busy || lease->mapped.Overlaps(request.range);
    } else if (lease->Touches(request.range)) {
      state.Recall(*lease, request.range, break_time, after);
      found.recall_pending = true;
    }
  }
  if (!state.Holds(request.holder.process)) {
    found.recall_pending =
        found.recall_pending || std::ranges::any_of(state.pending, [&](const auto& p) {
          return p.gates && p.attempt != &attempt && p.about.range.Overlaps(request.range);
        });
  }
  found.epoch = state.epoch;
  return found;
}

Result<LeaseId> LayoutManager::Grant(LayoutState& state, const LeaseRequest& request) {
  state.mutex.AssertHeld();
  if (!Charge(request.holder.process, {.leases = 1})) {
    return Fail(ENOSPC, absl::StrCat("process ", request.holder.process.pid,
                                     " holds as many leases as a process may; return some"));
  }
  auto lease = std::make_unique<HeldLease>();
  lease->id = LeaseId(next_id_.fetch_add(1, std::memory_order_relaxed));
  lease->holder = request.holder;
  lease->write = request.write;
  lease->exclusive = request.exclusive;
  lease->ranges.Add(request.range.start.value(), request.range.end.value());
  lease->since = std::chrono::system_clock::now();
  const LeaseId id = lease->id;
  state.leases.emplace(id, std::move(lease));
  return id;
}

Result<std::vector<LayoutExtent>> LayoutManager::MapExtents(InodeLayout& layout, SessionId session,
                                                            LeaseId lease, FileRange range,
                                                            size_t max_extents,
                                                            ExtentMapper& mapper) {
  if (!IsSound(range) || max_extents == 0) return Fail(EINVAL);
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return Fail(ENOENT);
  std::vector<LayoutExtent> extents;
  while (!range.empty()) {
    absl::MutexLock lock(&state->mutex);
    auto step = MapStep(*state, session, lease, range, mapper);
    // What was shown so far is worth having; the next call meets the error first.
    if (!step && extents.empty()) return Pass(std::move(step));
    if (!step) break;
    if (step->length == BlockCount(0)) continue;
    if (!Append(extents, *step, max_extents)) break;
    range.start += step->length;
  }
  return extents;
}

// The front of `range` under a lease, mapped and referenced. Empty if only preparations were made.
Result<LayoutExtent> LayoutManager::MapStep(LayoutState& state, SessionId session, LeaseId id,
                                            FileRange range, ExtentMapper& mapper) {
  state.mutex.AssertHeld();
  HeldLease* const lease = state.FindLease(session, id);
  if (lease == nullptr) return Fail(ENOENT);
  if (lease->state != LeaseState::kActive) return Fail(ESTALE);
  if (!lease->Covers(range)) return Fail(EINVAL);
  HOLDFAST_ASSIGN(MappedExtent extent, mapper.Map(state.ino, range.start, range.end));
  if (extent.state != ExtentState::kWritten) {
    HOLDFAST_ASSIGN(Mapping * mapping, state.EnsureMapping());
    mapping->InsertPageless({extent.index, extent.index + extent.length}, kEntryZero);
    extent.pfn = Pfn(0);
    return extent;
  }
  if (lease->write && extent.shared) return Fail(ESTALE);  // it became shared: lease it again
  HOLDFAST_TRY(Record(state, lease->holder));
  HOLDFAST_ASSIGN(extent.length, InsertStep(state, extent, lease->write));
  while (const auto gap = lease->mapped.FirstGap({extent.index, extent.index + extent.length})) {
    state.mapping->SplitAround(*gap);
    const FileRun run{gap->start, extent.pfn + (gap->start - extent.index), gap->length()};
    const Progress got = table_.Get(run.pages(), Reference::kMap);
    if (got.done > BlockCount(0)) lease->mapped.Add({run.index, run.pfn, got.done});
    if (got.code == 0) continue;
    extent.length = run.index + got.done - extent.index;
    if (extent.length == BlockCount(0)) return Fail(got.code);
    break;
  }
  return extent;
}

Result<void> LayoutManager::Return(InodeLayout& layout, SessionId session, LeaseId lease,
                                   FileRange range) {
  if (!IsSound(range)) return Fail(EINVAL);
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return Fail(ENOENT);
  Aftermath after;
  {
    absl::MutexLock lock(&state->mutex);
    HeldLease* const held = state->FindLease(session, lease);
    if (held == nullptr) return Fail(ENOENT);
    state->GiveBack(*held, range, after);
  }
  Finish(after);
  return {};
}

Result<PinGrant> LayoutManager::Pin(InodeLayout& layout, const PinRequest& request,
                                    ExtentMapper& mapper) {
  if (!IsSound(request.range)) return Fail(EINVAL);
  LayoutState& state = *EnsureState(layout);
  const Usage usage{.pins = 1, .pinned_blocks = request.range.length().value()};
  if (!Charge(request.holder.process, usage)) {
    return Fail(ENOSPC, absl::StrCat("process ", request.holder.process.pid,
                                     " has as much pinned as a process may; unpin some"));
  }
  auto pin = std::make_unique<HeldPin>();
  pin->holder = request.holder;
  pin->range = request.range;
  pin->write = request.write;
  pin->long_term = request.long_term;
  pin->charged = request.range.length();
  pin->since = std::chrono::system_clock::now();
  auto pinned = PinAll(state, *pin, mapper);
  if (pinned) {
    absl::MutexLock lock(&state.mutex);
    pinned = MayPin(state, *pin);  // the lease may have gone meanwhile
    if (pinned) {
      pin->id = PinId(next_id_.fetch_add(1, std::memory_order_relaxed));
      PinGrant grant{pin->id, pin->runs.List()};
      state.pins.emplace(pin->id, std::move(pin));
      return grant;
    }
  }
  Aftermath after;
  after.Put(pin->runs.Take(kWholeFile), Reference::kPin);
  Discharge(pin->holder.process, usage);
  Finish(after);
  return Pass(std::move(pinned));
}

// Long-term pins need a lease over all they pin, so that they can be recalled (L12).
Result<void> LayoutManager::MayPin(const LayoutState& state, const HeldPin& pin) {
  state.mutex.AssertHeld();
  if (!pin.long_term) return {};
  const bool leased = std::ranges::any_of(state.leases, [&](const auto& item) {
    const HeldLease& lease = *item.second;
    return lease.holder.session == pin.holder.session && lease.state == LeaseState::kActive &&
           lease.Covers(pin.range);
  });
  if (!leased) return Fail(EOPNOTSUPP);
  return {};
}

Result<void> LayoutManager::PinAll(LayoutState& state, HeldPin& pin, ExtentMapper& mapper) {
  FileRange rest = pin.range;
  while (!rest.empty()) {
    absl::MutexLock lock(&state.mutex);
    HOLDFAST_TRY(MayPin(state, pin));
    HOLDFAST_ASSIGN(const MappedExtent extent, mapper.Map(state.ino, rest.start, rest.end));
    if (extent.state != ExtentState::kWritten) return Fail(ENXIO);
    if (pin.write && extent.shared) return Fail(ESTALE);
    HOLDFAST_TRY(Record(state, pin.holder));
    HOLDFAST_ASSIGN(const BlockCount length, InsertStep(state, extent, pin.write));
    const FileRun run{extent.index, extent.pfn, length};
    state.mapping->SplitAround(run.range());
    const Progress got = table_.Get(run.pages(), Reference::kPin);
    if (got.done > BlockCount(0)) pin.runs.Add({run.index, run.pfn, got.done});
    if (got.code != 0) return Fail(got.code);
    rest.start += length;
  }
  return {};
}

Result<void> LayoutManager::Unpin(InodeLayout& layout, SessionId session, PinId pin) {
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return Fail(ENOENT);
  Aftermath after;
  {
    absl::MutexLock lock(&state->mutex);
    const auto it = state->pins.find(pin);
    if (it == state->pins.end() || it->second->holder.session != session) return Fail(ENOENT);
    state->EndPin(*it->second, after);
  }
  Finish(after);
  return {};
}

void LayoutManager::CloseSession(InodeLayout& layout, SessionId session) {
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return;
  Aftermath after;
  std::optional<ProcessId> forgotten;
  {
    absl::MutexLock lock(&state->mutex);
    state->CloseSession(session, after);
    forgotten = state->ForgetSession(session);
    // What it held before this daemon started it still holds: that record stays until it is dead.
    if (forgotten && state->IsFormer(*forgotten)) forgotten.reset();
    // Under the lock, so that a new session of the process cannot be put on record in between.
    if (forgotten && store_ != nullptr) store_->RemoveHolder(state->ino, *forgotten);
  }
  Finish(after);
}

// Puts a process on record, before its first reference to pages of this inode (L11 over a crash).
Result<void> LayoutManager::Record(LayoutState& state, const Holder& holder) {
  state.mutex.AssertHeld();
  auto& sessions = state.recorded[holder.process];
  if (sessions.empty() && store_ != nullptr) {
    auto added = store_->AddHolder(state.ino, holder.process);
    if (!added) {
      state.recorded.erase(holder.process);
      return added;
    }
  }
  sessions.insert(holder.session);
  return {};
}

bool LayoutManager::Charge(const ProcessId& process, const Usage& more) {
  absl::MutexLock lock(&mutex_);
  const Usage now = usage_[process];
  if (now.leases + more.leases > policy_.max_leases_per_process ||
      now.pins + more.pins > policy_.max_pins_per_process ||
      now.pinned_blocks + more.pinned_blocks > policy_.max_pinned_blocks_per_process) {
    return false;
  }
  usage_[process] = {now.leases + more.leases, now.pins + more.pins,
                     now.pinned_blocks + more.pinned_blocks};
  return true;
}

void LayoutManager::Discharge(const ProcessId& process, const Usage& less) {
  absl::MutexLock lock(&mutex_);
  Usage& now = usage_[process];
  now.leases -= less.leases;
  now.pins -= less.pins;
  now.pinned_blocks -= less.pinned_blocks;
  if (now.leases == 0 && now.pins == 0) usage_.erase(process);
}

}  // namespace holdfast::daxcore
