// SPDX-License-Identifier: Apache-2.0
// Life of layouts, their quarantine, failures, and the questions people ask.
#include "daxcore/layout.h"

#include <algorithm>

#include "daxcore/layout_state.h"
#include "daxcore/media_failure.h"

namespace holdfast::daxcore {

// Callbacks of timers hold it shared while they run, so the manager's end waits for them.
struct LayoutManager::Anchor {
  absl::Mutex mutex;
  LayoutManager* manager ABSL_GUARDED_BY(mutex) = nullptr;
};

InodeLayout::InodeLayout(LayoutManager& manager, Ino ino) : manager_(manager), ino_(ino) {
  // Whoever held something of this inode before the daemon started still does.
  if (!manager.any_formers_.load(std::memory_order_acquire)) return;
  {
    absl::MutexLock lock(&manager.mutex_);
    if (!manager.formers_.contains(ino)) return;
  }
  LayoutState* state = manager.EnsureState(*this);
  // Asked again now that FormerDied would find the state, which it looks for last.
  absl::MutexLock lock(&state->mutex);
  absl::MutexLock all(&manager.mutex_);
  if (const auto it = manager.formers_.find(ino); it != manager.formers_.end()) {
    state->formers = it->second;
  }
}

InodeLayout::~InodeLayout() {
  if (owned_state_ == nullptr) return;
  {
    absl::MutexLock lock(&manager_.mutex_);
    manager_.states_.erase(owned_state_.get());
  }
  Aftermath after;
  std::unique_ptr<Mapping> mapping;
  {
    absl::MutexLock lock(&owned_state_->mutex);
    // Their holders live on when the daemon ends: their references are never put, so that nothing
    // of theirs is released on the way out.
    owned_state_->leases.clear();
    owned_state_->pins.clear();
    owned_state_->closed = true;
    mapping = std::move(owned_state_->mapping);
    owned_state_->Changed(kWholeFile, after);
  }
  manager_.Finish(after);
}

Result<std::unique_ptr<LayoutManager>> LayoutManager::Create(PageTable& table, Timer& timer,
                                                             Options options) {
  HOLDFAST_ASSIGN(const MappingId name, table.AddMapping(options.quarantine_ino));
  return std::unique_ptr<LayoutManager>(new LayoutManager(table, timer, options, name));
}

LayoutManager::LayoutManager(PageTable& table, Timer& timer, Options options,
                             MappingId quarantine_name)
    : table_(table),
      timer_(timer),
      store_(options.store),
      events_(options.events),
      quarantine_name_(quarantine_name),
      quarantine_(std::make_unique<class Quarantine>(table, quarantine_name, timer, options.store)),
      policy_(options.policy),
      anchor_(std::make_shared<Anchor>()) {
  absl::MutexLock lock(&anchor_->mutex);
  anchor_->manager = this;
}

LayoutManager::~LayoutManager() {
  {
    absl::MutexLock lock(&anchor_->mutex);
    anchor_->manager = nullptr;
  }
  quarantine_.reset();
  table_.RemoveMapping(quarantine_name_);
}

std::move_only_function<void()> LayoutManager::Anchored(
    std::move_only_function<void(LayoutManager&)> fn) {
  return [anchor = anchor_, f = std::move(fn)]() mutable {
    absl::ReaderMutexLock lock(&anchor->mutex);
    if (anchor->manager != nullptr) f(*anchor->manager);
  };
}

LayoutPolicy LayoutManager::policy() const {
  absl::MutexLock lock(&mutex_);
  return policy_;
}

void LayoutManager::SetPolicy(const LayoutPolicy& policy) {
  absl::MutexLock lock(&mutex_);
  policy_ = policy;
}

LayoutState* LayoutManager::EnsureState(InodeLayout& layout) {
  LayoutState* state = layout.state_.load(std::memory_order_acquire);
  if (state != nullptr) return state;
  absl::MutexLock lock(&mutex_);
  if (layout.owned_state_ == nullptr) {
    layout.owned_state_ = std::make_shared<LayoutState>(*this, layout.ino_);
    states_.insert(layout.owned_state_.get());
    layout.state_.store(layout.owned_state_.get(), std::memory_order_release);
  }
  return layout.owned_state_.get();
}

std::vector<std::shared_ptr<LayoutState>> LayoutManager::States() const {
  std::vector<std::shared_ptr<LayoutState>> states;
  absl::MutexLock lock(&mutex_);
  for (LayoutState* state : states_) states.push_back(state->shared_from_this());
  return states;
}

void LayoutManager::Finish(Aftermath& after) {
  std::vector<PfnRange> idle;
  for (const auto& [pages, kind] : after.puts) {
    table_.SplitAround(pages);  // part of what was referenced as a whole may be given back
    std::ranges::move(table_.Put(pages, kind), std::back_inserter(idle));
  }
  quarantine_->OnIdle(idle);
  FireAll(after.wakes);
  if (events_ == nullptr) return;
  using Kind = Aftermath::Notice::Kind;
  for (const auto& n : after.notices) {
    if (n.kind == Kind::kRecalled) events_->Recalled(n.session, n.lease, n.range, n.time);
    if (n.kind == Kind::kVoided) events_->Voided(n.session, n.lease);
    if (n.kind == Kind::kFailed) events_->Failed(n.session, n.ino, n.range);
    if (n.kind == Kind::kRemoved) events_->Removed(n.session, n.ino);
  }
}

void LayoutManager::LeaseTimeUp(const std::weak_ptr<LayoutState>& weak) {
  const auto state = weak.lock();
  if (state == nullptr) return;
  Aftermath after;
  {
    absl::MutexLock lock(&state->mutex);
    state->VoidExpired(after);
  }
  Finish(after);
}

void LayoutManager::DropEntries(InodeLayout& layout, FileRange range, Drop how) {
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return;
  while (!range.empty()) {
    absl::MutexLock lock(&state->mutex);
    if (state->mapping == nullptr) return;
    range.start = state->mapping->Remove(range, how);
  }
}

void LayoutManager::Quarantine(InodeLayout& layout, std::span<const FileRun> runs,
                               const BreakOutcome& outcome) {
  if (runs.empty()) return;
  LayoutState* const state = EnsureState(layout);
  uint64_t blocks = 0;
  for (const FileRun& run : runs) blocks += run.length.value();
  metrics_.quarantined_blocks.fetch_add(blocks, std::memory_order_relaxed);
  const auto batch = quarantine_->NewBatch(layout.ino_, outcome.holders, outcome.must_die);
  for (FileRun run : runs) {
    while (run.length > BlockCount(0)) {
      absl::MutexLock lock(&state->mutex);
      const BlockCount done = quarantine_->Admit(batch, state->mapping.get(), run);
      run = {run.index + done, run.pfn + done, run.length - done};
    }
  }
  quarantine_->Settle(batch);
}

void LayoutManager::FlushDirty(InodeLayout& layout, FileRange range, Region& region) {
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return;
  for (;;) {
    std::optional<EntryRun> dirty;
    bool locked = false;
    {
      absl::MutexLock lock(&state->mutex);
      if (state->mapping != nullptr) dirty = state->mapping->NextDirty(range);
      if (!dirty) return;
      locked = state->mapping->Lock(*dirty);
    }
    // One that another flush has locked is flushed here too: this caller must not return before it
    // is.
    FlushPastFailures(region, ByteOffset(dirty->run.pfn), Bytes(dirty->run.length));
    region.persist().Drain();
    range.start = std::max(range.start, dirty->run.end());
    if (!locked) continue;
    Aftermath after;
    {
      absl::MutexLock lock(&state->mutex);
      // Whoever maps it for writing goes on storing: the next flush is needed again.
      const bool written = std::ranges::any_of(state->leases, [&](const auto& item) {
        return item.second->write && item.second->mapped.Overlaps(dirty->run.range());
      });
      state->mapping->Unlock(*dirty, /*clean=*/!written);
      state->Changed(dirty->run.range(), after);
    }
    Finish(after);
  }
}

void LayoutManager::AdoptHolder(Ino ino, const ProcessId& process) {
  {
    absl::MutexLock lock(&mutex_);
    auto& formers = formers_[ino];
    if (std::ranges::find(formers, process) != formers.end()) return;
    formers.push_back(process);
    any_formers_.store(true, std::memory_order_release);
  }
  timer_.AtExit(process,
                Anchored([ino, process](LayoutManager& m) { m.FormerDied(ino, process); }));
}

void LayoutManager::ForgetAdopted(Ino ino) {
  if (!any_formers_.load(std::memory_order_acquire)) return;
  std::vector<ProcessId> formers;
  {
    absl::MutexLock lock(&mutex_);
    if (const auto it = formers_.find(ino); it != formers_.end()) {
      formers.assign(it->second.begin(), it->second.end());
    }
  }
  for (const ProcessId& process : formers) FormerDied(ino, process);
}

void LayoutManager::FormerDied(Ino ino, const ProcessId& process) {
  {
    absl::MutexLock lock(&mutex_);
    const auto it = formers_.find(ino);
    if (it == formers_.end()) return;
    std::erase(it->second, process);
    if (it->second.empty()) formers_.erase(it);
    if (formers_.empty()) any_formers_.store(false, std::memory_order_release);
  }
  for (const auto& state : States()) {
    if (state->ino != ino) continue;
    Aftermath after;
    {
      absl::MutexLock lock(&state->mutex);
      std::erase(state->formers, process);
      state->Changed(kWholeFile, after);
    }
    Finish(after);
  }
  if (store_ != nullptr) store_->RemoveHolder(ino, process);
}

size_t LayoutManager::FailRange(InodeLayout& layout, FileRange range) {
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  if (state == nullptr) return 0;
  // Exclusive, so that no reference to the failed pages is being made just now.
  absl::MutexLock layout_lock(&layout.layout_lock());
  Aftermath after;
  size_t told = 0;
  {
    absl::MutexLock lock(&state->mutex);
    told = state->Fail(range, after);
  }
  metrics_.holders_told.fetch_add(told, std::memory_order_relaxed);
  Finish(after);
  return told;
}

size_t LayoutManager::FailPages(PfnRange pages) {
  size_t told = 0;
  for (const auto& state : States()) {
    Aftermath after;
    {
      absl::MutexLock lock(&state->mutex);
      told += state->FailPages(pages, after);
    }
    Finish(after);
  }
  metrics_.holders_told.fetch_add(told, std::memory_order_relaxed);
  return told;
}

void LayoutManager::FailEverything() {
  const auto states = States();
  for (const auto& state : states) {
    Aftermath after;
    {
      absl::MutexLock lock(&state->mutex);
      metrics_.holders_told.fetch_add(
          state->Fail(kWholeFile, after, Aftermath::Notice::Kind::kRemoved),
          std::memory_order_relaxed);
    }
    Finish(after);
  }
  // Only now, since files share pages, is nothing referenced.
  for (const auto& state : states) {
    for (FileRange rest = kWholeFile; !rest.empty();) {
      absl::MutexLock lock(&state->mutex);
      if (state->mapping == nullptr) break;
      rest.start = state->mapping->Remove(rest, Drop::kTruncate);
    }
  }
}

std::vector<HolderInfo> LayoutManager::Holders() const {
  std::vector<HolderInfo> holders;
  for (const auto& state : States()) {
    absl::MutexLock lock(&state->mutex);
    for (const auto& [id, lease] : state->leases) holders.push_back(lease->Describe(state->ino));
    for (const auto& [id, pin] : state->pins) holders.push_back(pin->Describe(state->ino));
  }
  absl::MutexLock lock(&mutex_);
  for (const auto& [ino, processes] : formers_) {
    for (const ProcessId& process : processes) {
      HolderInfo former;
      former.kind = HolderInfo::Kind::kFormer;
      former.holder.process = process;
      former.ino = ino;
      former.range = kWholeFile;
      holders.push_back(former);
    }
  }
  return holders;
}

std::vector<WaiterInfo> LayoutManager::Waiters() const {
  std::vector<WaiterInfo> waiters;
  for (const auto& state : States()) {
    absl::MutexLock lock(&state->mutex);
    for (const auto& pending : state->pending) waiters.push_back(pending.about);
  }
  return waiters;
}

std::vector<LayoutManager::PageRun> LayoutManager::Pages(InodeLayout& layout,
                                                         FileRange range) const {
  std::vector<PageRun> pages;
  LayoutState* const state = layout.state_.load(std::memory_order_acquire);
  while (state != nullptr && !range.empty()) {
    std::optional<EntryRun> entry;
    {
      absl::MutexLock lock(&state->mutex);
      if (state->mapping != nullptr) entry = state->mapping->Next(range);
    }
    if (!entry) break;
    range.start = entry->run.end();
    if (!entry->has_pages()) {
      pages.push_back({*entry, {}});
      continue;
    }
    table_.ForEachRun(entry->run.pages(), [&](const PageInfo& page) {
      EntryRun part = *entry;
      part.run = {entry->run.index + (page.pages.start - entry->run.pfn), page.pages.start,
                  page.pages.length};
      pages.push_back({part, page});
    });
  }
  return pages;
}

}  // namespace holdfast::daxcore
