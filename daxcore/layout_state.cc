// SPDX-License-Identifier: Apache-2.0
// Bookkeeping of leases, pins and waits of one inode.
#include "daxcore/layout_state.h"

#include <algorithm>

#include "daxcore/layout.h"

namespace holdfast::daxcore {
namespace {

FileRange Extent(const RangeSet& ranges) {
  FileRange extent{kFileEnd, FileBlock(0)};
  uint64_t at = 0;
  while (const auto next = ranges.Next(at, kFileEnd.value())) {
    extent.start = std::min(extent.start, FileBlock(next->start));
    extent.end = FileBlock(next->end);
    at = next->end;
  }
  return extent;
}

void AddOnce(std::vector<ProcessId>& list, const ProcessId& process) {
  if (std::ranges::find(list, process) == list.end()) list.push_back(process);
}

// Marks what the lease has of `range` as asked back; its outer bounds if some of it is new. What
// the lease does not cover can never be given back, so it must not count.
FileRange AskBack(HeldLease& lease, FileRange range) {
  const auto last = range.end.value();
  FileRange asked;
  bool more = false;
  for (auto part = lease.ranges.Next(range.start.value(), last); part;
       part = lease.ranges.Next(part->end, last)) {
    if (asked.empty()) asked.start = FileBlock(part->start);
    asked.end = FileBlock(part->end);
    more = more || !lease.recalled.Contains(part->start, part->end);
    lease.recalled.Add(part->start, part->end);
  }
  return more ? asked : FileRange{};
}

}  // namespace

HolderInfo HeldLease::Describe(Ino ino) const {
  HolderInfo info;
  info.kind = HolderInfo::Kind::kLease;
  info.holder = holder;
  info.ino = ino;
  info.range = Extent(ranges);
  info.write = write;
  info.exclusive = exclusive;
  info.lease_state = state;
  info.mapped = mapped.blocks();
  info.id = id.value();
  info.since = since;
  return info;
}

HolderInfo HeldPin::Describe(Ino ino) const {
  HolderInfo info;
  info.kind = long_term ? HolderInfo::Kind::kLongTermPin : HolderInfo::Kind::kPin;
  info.holder = holder;
  info.ino = ino;
  info.range = range;
  info.write = write;
  info.id = id.value();
  info.since = since;
  return info;
}

void Aftermath::Put(const std::vector<FileRun>& runs, Reference kind) {
  for (const FileRun& run : runs) puts.emplace_back(run.pages(), kind);
}

HeldLease* LayoutState::FindLease(SessionId session, LeaseId id) {
  const auto it = leases.find(id);
  return it == leases.end() || it->second->holder.session != session ? nullptr : it->second.get();
}

bool LayoutState::Holds(const ProcessId& process) const {
  const auto of_process = [&process](const auto& item) {
    return item.second->holder.process == process;
  };
  return std::ranges::any_of(leases, of_process) || std::ranges::any_of(pins, of_process);
}

Result<Mapping*> LayoutState::EnsureMapping() {
  if (mapping == nullptr) {
    HOLDFAST_ASSIGN(const MappingId id, manager.table_.AddMapping(ino));
    mapping = std::make_unique<Mapping>(manager.table_, id);
  }
  return mapping.get();
}

void LayoutState::Recall(HeldLease& lease, FileRange range, std::chrono::milliseconds break_time,
                         Aftermath& after) {
  range = AskBack(lease, range);
  if (range.empty()) return;
  if (lease.state == LeaseState::kActive) {
    lease.state = LeaseState::kRecalled;
    lease.recalled_at = manager.timer_.Now();
    lease.deadline = lease.recalled_at + break_time;
    lease.timer = manager.timer_.At(
        lease.deadline,
        manager.Anchored([weak = weak_from_this()](LayoutManager& m) { m.LeaseTimeUp(weak); }));
    manager.metrics_.recalls.fetch_add(1, std::memory_order_relaxed);
  }
  const auto left = lease.deadline - manager.timer_.Now();
  after.notices.push_back({Aftermath::Notice::Kind::kRecalled, lease.holder.session, lease.id, ino,
                           range, std::chrono::ceil<std::chrono::milliseconds>(left)});
}

void LayoutState::VoidExpired(Aftermath& after) {
  const TimePoint now = manager.timer_.Now();
  for (auto& [id, lease] : leases) {
    if (lease->state != LeaseState::kRecalled || now < lease->deadline) continue;
    lease->state = LeaseState::kVoid;
    manager.timer_.Cancel(std::exchange(lease->timer, 0));
    manager.metrics_.lease_timeouts.fetch_add(1, std::memory_order_relaxed);
    manager.metrics_.recall_time.Add(now - lease->recalled_at);
    after.notices.push_back({Aftermath::Notice::Kind::kVoided, lease->holder.session, id, ino, {}});
    Changed(Extent(lease->ranges), after);
  }
}

void LayoutState::GiveBack(HeldLease& lease, FileRange range, Aftermath& after) {
  lease.ranges.Remove(range.start.value(), range.end.value());
  lease.recalled.Remove(range.start.value(), range.end.value());
  after.Put(lease.mapped.Take(range), Reference::kMap);
  Changed(range, after);
  const bool asked_back = lease.ranges.empty() || !lease.recalled.empty();
  if (lease.state == LeaseState::kRecalled && (lease.ranges.empty() || !asked_back)) {
    manager.timer_.Cancel(std::exchange(lease.timer, 0));
    manager.metrics_.recall_time.Add(manager.timer_.Now() - lease.recalled_at);
    lease.state = LeaseState::kActive;
  }
  if (lease.ranges.empty()) {
    manager.Discharge(lease.holder.process, {.leases = 1});
    leases.erase(lease.id);
  }
}

bool LayoutState::MayBeStoredTo(FileRange range) const {
  const auto by_pin = [&](const auto& item) {
    return item.second->write && item.second->range.Overlaps(range);
  };
  const auto by_lease = [&](const auto& item) {
    const HeldLease& lease = *item.second;
    return lease.write && lease.state == LeaseState::kVoid && lease.mapped.Overlaps(range);
  };
  return std::ranges::any_of(pins, by_pin) || std::ranges::any_of(leases, by_lease);
}

void LayoutState::EndPin(HeldPin& pin, Aftermath& after) {
  after.Put(pin.runs.Take(kWholeFile), Reference::kPin);
  if (pin.write) Changed(pin.range, after);
  manager.Discharge(pin.holder.process, {.pins = 1, .pinned_blocks = pin.charged.value()});
  pins.erase(pin.id);
}

void LayoutState::CloseSession(SessionId session, Aftermath& after) {
  std::vector<HeldLease*> its_leases;
  for (const auto& [id, lease] : leases) {
    if (lease->holder.session == session) its_leases.push_back(lease.get());
  }
  for (HeldLease* lease : its_leases) GiveBack(*lease, kWholeFile, after);
  std::vector<HeldPin*> its_pins;
  for (const auto& [id, pin] : pins) {
    if (pin->holder.session == session) its_pins.push_back(pin.get());
  }
  for (HeldPin* pin : its_pins) EndPin(*pin, after);
}

std::optional<ProcessId> LayoutState::ForgetSession(SessionId session) {
  for (auto& [process, sessions] : recorded) {
    if (sessions.erase(session) == 0) continue;
    if (!sessions.empty()) return std::nullopt;
    const ProcessId gone = process;
    recorded.erase(gone);
    return gone;
  }
  return std::nullopt;
}

size_t LayoutState::Fail(FileRange range, Aftermath& after, Aftermath::Notice::Kind kind) {
  size_t told = 0;
  const auto tell = [&](const Holder& holder, LeaseId lease) {
    after.notices.push_back({kind, holder.session, lease, ino, range});
    ++told;
  };
  for (auto& [id, lease] : leases) {
    if (!lease->Touches(range)) continue;
    after.Put(lease->mapped.Take(range), Reference::kMap);
    tell(lease->holder, id);
  }
  for (auto& [id, pin] : pins) {
    if (!pin->range.Overlaps(range)) continue;
    after.Put(pin->runs.Take(range), Reference::kPin);
    tell(pin->holder, LeaseId(0));
  }
  return told;
}

size_t LayoutState::FailPages(PfnRange pages, Aftermath& after) {
  size_t told = 0;
  const auto drop = [&](RunSet& runs, Reference kind, const Holder& holder) {
    for (const FileRun& run : runs.TakePages(pages)) {
      after.Put({run}, kind);
      after.notices.push_back(
          {Aftermath::Notice::Kind::kFailed, holder.session, LeaseId(0), ino, run.range()});
      ++told;
    }
  };
  for (auto& [id, lease] : leases) drop(lease->mapped, Reference::kMap, lease->holder);
  for (auto& [id, pin] : pins) drop(pin->runs, Reference::kPin, pin->holder);
  return told;
}

void LayoutState::Changed(FileRange range, Aftermath& after) {
  ++epoch;
  std::erase_if(waits, [&](RangeWait& wait) {
    if (!wait.range.Overlaps(range)) return false;
    after.wakes.push_back(std::move(wait.wake));
    return true;
  });
}

void LayoutState::AddWait(FileRange range, std::shared_ptr<WakeOnce> wake) {
  if (waits.size() >= purge_waits_at) {
    std::erase_if(waits, [](const RangeWait& wait) { return wait.wake->fired(); });
    purge_waits_at = 2 * waits.size() + 16;
  }
  waits.push_back({range, std::move(wake)});
}

void LayoutState::Leave(const BreakAttempt* attempt, Aftermath& after) {
  std::vector<FileRange> freed;
  std::erase_if(pending, [&](const Pending& p) {
    if (p.attempt != attempt) return false;
    if (p.gates) freed.push_back(p.about.range);
    return true;
  });
  for (const FileRange& range : freed) Changed(range, after);
}

std::vector<ProcessId> LayoutState::HoldersOf(FileRange range) const {
  std::vector<ProcessId> holders = formers;
  for (const auto& [id, lease] : leases) {
    if (lease->mapped.Overlaps(range)) AddOnce(holders, lease->holder.process);
  }
  for (const auto& [id, pin] : pins) {
    if (pin->range.Overlaps(range)) AddOnce(holders, pin->holder.process);
  }
  return holders;
}

}  // namespace holdfast::daxcore
