// SPDX-License-Identifier: Apache-2.0
// Breaking layouts: the loop of rule L3, one pass at a time.
#include <algorithm>
#include <utility>

#include "daxcore/layout.h"
#include "daxcore/layout_state.h"

namespace holdfast::daxcore {
namespace {

bool IsReason(BreakReason reason) {
  return reason >= BreakReason::kWrite && reason <= BreakReason::kShare;
}

// Wakes when a page is idle, when leases or formers of a range changed, or when a time has come.
class LayoutWait final : public Waitable {
 public:
  LayoutWait(Timer& timer, PageTable& table, std::shared_ptr<LayoutState> state, FileRange range,
             uint64_t epoch, std::optional<Pfn> page, std::optional<TimePoint> deadline)
      : timer_(timer),
        table_(table),
        state_(std::move(state)),
        range_(range),
        epoch_(epoch),
        page_(page),
        deadline_(deadline) {}

  void OnReady(std::move_only_function<void()> wake) override {
    auto alarm = std::make_shared<std::atomic<Timer::Id>>(0);
    auto once = std::make_shared<WakeOnce>([alarm, &timer = timer_, w = std::move(wake)]() mutable {
      if (const Timer::Id id = alarm->load(); id != 0) timer.Cancel(id);
      w();
    });
    if (!Register(once)) once->Fire();
    if (deadline_ && !once->fired()) alarm->store(timer_.At(*deadline_, [once] { once->Fire(); }));
  }

 private:
  // False if it is time already.
  bool Register(const std::shared_ptr<WakeOnce>& once) {
    {
      absl::MutexLock lock(&state_->mutex);
      if (state_->epoch != epoch_) return false;
      state_->AddWait(range_, once);
    }
    return !page_ || table_.WakeWhenIdle(*page_, once);
  }

  Timer& timer_;
  PageTable& table_;
  const std::shared_ptr<LayoutState> state_;
  const FileRange range_;
  const uint64_t epoch_;
  const std::optional<Pfn> page_;
  const std::optional<TimePoint> deadline_;
};

// Adds [range], merged with the last one if it continues it.
void Append(std::vector<FileRange>& ranges, FileRange range) {
  if (!ranges.empty() && ranges.back().end >= range.start) {
    ranges.back().end = std::max(ranges.back().end, range.end);
  } else {
    ranges.push_back(range);
  }
}

}  // namespace

BreakAttempt::BreakAttempt(std::string operation, pid_t pid, SessionId session)
    : operation_(std::move(operation)), pid_(pid), session_(session) {}

BreakAttempt::~BreakAttempt() {
  for (const Place& place : places_) {
    Aftermath after;
    {
      absl::MutexLock lock(&place.state->mutex);
      place.state->Leave(this, after);
    }
    FireAll(after.wakes);
  }
}

void BreakAttempt::OverridePolicy(BusyPolicy policy, std::chrono::milliseconds busy_timeout) {
  const bool for_ever =
      busy_timeout == std::chrono::milliseconds(0) && policy != BusyPolicy::kQuarantine;
  policy_ = Policy{policy, for_ever ? std::nullopt : std::optional(busy_timeout)};
}

std::vector<FileRun> BreakOutcome::BusyPartsOf(const FileRun& run) const {
  std::vector<FileRun> parts;
  for (const FileRange& range : busy) {
    if (range.Overlaps(run.range())) parts.push_back(run.Clip(range));
  }
  return parts;
}

BreakAttempt::Policy LayoutManager::PolicyOf(const BreakAttempt& attempt) const {
  if (attempt.policy_) return *attempt.policy_;
  const LayoutPolicy p = policy();
  if (p.busy_timeout == std::chrono::milliseconds(0)) return {p.busy_policy, std::nullopt};
  return {p.busy_policy, p.busy_timeout};
}

Result<BreakOutcome> LayoutManager::Break(InodeLayout& layout, FileRange range, BreakReason reason,
                                          BreakAttempt& attempt) {
  if (!IsReason(reason) || range.empty() || range.end > kFileEnd) return Fail(EINVAL);
  if (reason == BreakReason::kUnmap) layout.layout_lock().AssertHeld();
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return BreakOutcome{};
  const Findings found = Examine(*state, range, reason, attempt.session_);
  return Decide(*state, range, reason, attempt, found);
}

Result<std::pair<BreakOutcome, BreakOutcome>> LayoutManager::BreakTwo(
    InodeLayout& first, FileRange first_range, BreakReason first_reason, InodeLayout& second,
    FileRange second_range, BreakReason second_reason, BreakAttempt& attempt) {
  HOLDFAST_ASSIGN(auto first_outcome, Break(first, first_range, first_reason, attempt));
  HOLDFAST_ASSIGN(auto second_outcome, Break(second, second_range, second_reason, attempt));
  return std::pair{std::move(first_outcome), std::move(second_outcome)};
}

// One pass, in the order of L3: recalls first, so that whoever maps the pages is asked to let go;
// then the pages in index order; then what leases are left. The caller's layout lock keeps new
// references out, so the entry lock need not be held over all of it.
LayoutManager::Findings LayoutManager::Examine(LayoutState& state, FileRange range,
                                               BreakReason reason, SessionId own) {
  Aftermath after;
  const auto break_time = policy().break_time;
  const auto collides = [&](const HeldLease& lease) {
    const bool exempt = reason == BreakReason::kWrite && own == lease.holder.session;
    return !exempt && lease.state != LeaseState::kVoid && lease.Touches(range);
  };
  Findings found;
  {
    absl::MutexLock lock(&state.mutex);
    state.VoidExpired(after);
    for (auto& [id, lease] : state.leases) {
      if (collides(*lease)) state.Recall(*lease, range, break_time, after);
    }
    found.epoch = state.epoch;
    found.busy = reason != BreakReason::kWrite && !state.formers.empty();
    found.busy = found.busy || (reason == BreakReason::kShare && state.MayBeStoredTo(range));
  }
  FileRange rest = range;
  if (reason == BreakReason::kUnmap && !found.busy) {
    if (const auto run = FirstBusy(state, rest)) {
      found.busy = true;
      found.page = run->pfn;
    }
  }
  {
    absl::MutexLock lock(&state.mutex);
    state.VoidExpired(after);
    found.recall_pending =
        std::ranges::any_of(state.leases, [&](const auto& item) { return collides(*item.second); });
  }
  Finish(after);
  return found;
}

// The first referenced pages in `range`, which moves on behind them.
std::optional<FileRun> LayoutManager::FirstBusy(LayoutState& state, FileRange& range) {
  while (!range.empty()) {
    absl::MutexLock lock(&state.mutex);
    if (state.mapping == nullptr) break;
    if (const auto run = state.mapping->NextReferenced(range)) return run;
  }
  return std::nullopt;
}

Result<void> LayoutManager::MayWait(const BreakAttempt& attempt) {
  if (attempt.interruptible_ && attempt.interrupted()) {
    metrics_.interrupts.fetch_add(1, std::memory_order_relaxed);
    return Fail(EINTR);
  }
  if (!attempt.may_wait_) return Fail(EAGAIN);
  return {};
}

Result<BreakOutcome> LayoutManager::Decide(LayoutState& state, FileRange range, BreakReason reason,
                                           BreakAttempt& attempt, const Findings& found) {
  if (!found.busy && !found.recall_pending) {
    const auto place = std::ranges::find_if(attempt.places_, [&](const auto& p) {
      return p.state.get() == &state && p.range == range && p.reason == reason;
    });
    if (place == attempt.places_.end() || !place->started) return BreakOutcome{};
    metrics_.break_wait.Add(timer_.Now() - *std::exchange(place->started, std::nullopt));
    return BreakOutcome{};
  }
  auto& place = Enter(attempt, state, range, reason, /*gates=*/true);
  // What counts for the busy policy is only what no lease's break time covers any more (L13, L14).
  const bool policy_decides = found.busy && !found.recall_pending;
  const auto policy = PolicyOf(attempt);
  if (policy_decides && policy.busy == BusyPolicy::kFail) {
    metrics_.busy_failures.fetch_add(1, std::memory_order_relaxed);
    return Fail(EBUSY);
  }
  std::optional<TimePoint> deadline;
  if (policy_decides && policy.busy == BusyPolicy::kQuarantine && policy.timeout) {
    deadline = *place.started + *policy.timeout;
    if (timer_.Now() >= *deadline) {
      if (reason == BreakReason::kShare) return Fail(EBUSY);  // the blocks stay where they are
      metrics_.busy_timeouts.fetch_add(1, std::memory_order_relaxed);
      return CollectBusy(state, range);
    }
  }
  HOLDFAST_TRY(MayWait(attempt));
  return Blocked(WaitFor(state, range, found.epoch, found.page, deadline));
}

std::shared_ptr<Waitable> LayoutManager::WaitFor(LayoutState& state, FileRange range,
                                                 uint64_t epoch, std::optional<Pfn> page,
                                                 std::optional<TimePoint> deadline) {
  metrics_.waits.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<LayoutWait>(timer_, table_, state.shared_from_this(), range, epoch, page,
                                      deadline);
}

// Granted as soon as nothing conflicts. Pages that a void lease still maps are given busy_timeout;
// they cannot be quarantined, since nothing leaves the file.
Result<LeaseId> LayoutManager::AwaitLease(LayoutState& state, FileRange range,
                                          BreakAttempt& attempt, const Findings& found) {
  const auto& place = Enter(attempt, state, range, BreakReason::kWrite, /*gates=*/false);
  const auto policy = PolicyOf(attempt);
  std::optional<TimePoint> deadline;
  if (!found.recall_pending) {
    if (policy.busy == BusyPolicy::kFail) return Fail(EBUSY);
    if (policy.busy == BusyPolicy::kQuarantine && policy.timeout) {
      deadline = *place.started + *policy.timeout;
      if (timer_.Now() >= *deadline) return Fail(EBUSY);
    }
  }
  HOLDFAST_TRY(MayWait(attempt));
  return Blocked(WaitFor(state, range, found.epoch, std::nullopt, deadline));
}

// Everything in `range` that is busy now. Under the exclusive layout lock it only gets less.
BreakOutcome LayoutManager::CollectBusy(LayoutState& state, FileRange range) {
  BreakOutcome outcome;
  {
    absl::MutexLock lock(&state.mutex);
    outcome.must_die = state.formers;
    outcome.holders = state.HoldersOf(range);
  }
  if (!outcome.must_die.empty()) {
    outcome.busy.push_back(range);
    return outcome;
  }
  while (const auto run = FirstBusy(state, range)) Append(outcome.busy, run->range());
  return outcome;
}

BreakAttempt::Place& LayoutManager::Enter(BreakAttempt& attempt, LayoutState& state,
                                          FileRange range, BreakReason reason, bool gates) {
  auto place = std::ranges::find_if(attempt.places_, [&](const auto& p) {
    return p.state.get() == &state && p.range == range && p.reason == reason;
  });
  if (place == attempt.places_.end()) {
    attempt.places_.push_back({state.shared_from_this(), range, reason, {}});
    place = std::prev(attempt.places_.end());
    metrics_.breaks.fetch_add(1, std::memory_order_relaxed);
    absl::MutexLock lock(&state.mutex);
    state.pending.push_back({&attempt,
                             {attempt.operation_, attempt.pid_, state.ino, range, reason,
                              std::chrono::system_clock::now()},
                             gates});
  }
  if (!place->started) place->started = timer_.Now();
  return *place;
}

}  // namespace holdfast::daxcore
