// SPDX-License-Identifier: Apache-2.0
// Transitions of the page descriptors.
#include "daxcore/page_table.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/container/flat_hash_map.h"
#include "daxcore/range_set.h"

namespace holdfast::daxcore {
namespace {

constexpr size_t kShards = 64;
constexpr uint32_t kMaxNames = (uint32_t{1} << 24) - 1;
constexpr BlockCount kUnit = BlocksOf(PageOrder::k1G);
constexpr BlockCount kGroup = BlocksOf(PageOrder::k2M);

void Append(std::vector<PfnRange>& runs, PageKey page) {
  if (!runs.empty() && runs.back().end() == page.head) {
    runs.back().length += page.length();
  } else {
    runs.push_back({page.head, page.length()});
  }
}

// True if `next` continues `run`: same state, and the next index where there is one.
bool Continues(const PageInfo& run, const PageInfo& next) {
  PageInfo expected = run;
  expected.pages = next.pages;
  if (run.state == PageState::kOwned) expected.index += run.pages.length;
  return run.pages.end() == next.pages.start && expected == next;
}

}  // namespace

struct PageTable::Shard {
  void Referenced(Pfn start, Pfn end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    referenced.Add(start.value(), end.value());
    any_referenced.store(!referenced.empty(), std::memory_order_release);
  }
  void Unreferenced(Pfn start, Pfn end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    referenced.Remove(start.value(), end.value());
    any_referenced.store(!referenced.empty(), std::memory_order_release);
  }

  mutable absl::Mutex mutex;
  // Lets a scan of a large range pass by without the lock. It may: what must not be missed was
  // made before the scan took the layout lock (L2).
  std::atomic<bool> any_referenced{false};
  RangeSet referenced ABSL_GUARDED_BY(mutex);  // pages with R > 0, by page number
  absl::flat_hash_map<uint64_t, WakeList> waits ABSL_GUARDED_BY(mutex);  // by head
};

struct PageTable::Names {
  mutable absl::Mutex mutex;
  std::vector<Ino> inos ABSL_GUARDED_BY(mutex);         // of MappingId i + 1
  std::vector<uint32_t> unused ABSL_GUARDED_BY(mutex);  // ids given back
};

struct PageTable::CanaryHit {
  PageInfo page;
  MappingId mapping;
  FileBlock index;
};

Result<std::unique_ptr<PageTable>> PageTable::Create(BlockCount pages, PageOrder geometry) {
  HOLDFAST_ASSIGN(auto descriptors, DescriptorArray::Create(pages));
  return std::unique_ptr<PageTable>(new PageTable(std::move(descriptors), geometry));
}

PageTable::PageTable(std::unique_ptr<DescriptorArray> descriptors, PageOrder geometry)
    : geometry_(geometry),
      descriptors_(std::move(descriptors)),
      shards_(std::make_unique<Shard[]>(kShards)),
      names_(std::make_unique<Names>()) {}

PageTable::~PageTable() = default;

PageTable::Shard& PageTable::ShardOf(Pfn pfn) const {
  return shards_[pfn.value() / kUnit.value() % kShards];
}

bool PageTable::Contains(PfnRange range) const {
  return range.start.value() <= pages().value() &&
         range.length <= BlockCount(pages().value() - range.start.value());
}

Result<MappingId> PageTable::AddMapping(Ino ino) {
  absl::MutexLock lock(&names_->mutex);
  if (!names_->unused.empty()) {
    const uint32_t id = names_->unused.back();
    names_->unused.pop_back();
    names_->inos[id - 1] = ino;
    return MappingId(id);
  }
  if (names_->inos.size() == kMaxNames) return Fail(ENFILE);
  names_->inos.push_back(ino);
  return MappingId(static_cast<uint32_t>(names_->inos.size()));
}

void PageTable::RemoveMapping(MappingId id) {
  absl::MutexLock lock(&names_->mutex);
  names_->inos[id.value() - 1] = Ino(0);
  names_->unused.push_back(id.value());
}

Ino PageTable::InoOf(MappingId id) const {
  absl::MutexLock lock(&names_->mutex);
  return id.value() == 0 || id.value() > names_->inos.size() ? Ino(0)
                                                             : names_->inos[id.value() - 1];
}

// Calls `batch(shard, range)` under the shard's lock for pieces of `pages`, none longer than kBatch
// single pages. `batch` returns how far it came; stops when that is not the piece's end.
template <typename Batch>
void PageTable::ForBatches(PfnRange pages, Batch batch) const {
  Pfn at = pages.start;
  while (at < pages.end()) {
    const Pfn unit_end = HeadOf(at, PageOrder::k1G) + kUnit;
    const PfnRange piece{at, std::min(pages.end(), unit_end) - at};
    Shard& shard = ShardOf(at);
    absl::MutexLock lock(&shard.mutex);
    const Pfn reached = batch(shard, piece);
    if (reached <= at) return;
    at = reached;
  }
}

// Calls `visit(page)` for each page from the start of `pages` until it answers false, at most
// kBatch times. Returns the end of what was visited with success.
template <typename Visit>
Pfn PageTable::ForPages(PfnRange pages, Visit visit) const {
  Pfn at = pages.start;
  for (uint64_t steps = 0; at < pages.end() && steps < kBatch; ++steps) {
    const PageKey page = descriptors_->Locate(at);
    if (!visit(page)) break;
    at = page.end();
  }
  return at;
}

Progress PageTable::Associate(MappingId mapping, const FileRun& run, PageOrder order, bool shared) {
  if (!Contains(run.pages()) || run.end() > kFileEnd) return {BlockCount(0), ERANGE};
  if (order > geometry_ || !IsAligned(run.pfn.value(), order) ||
      !IsAligned(run.length.value(), order)) {
    return {BlockCount(0), EINVAL};
  }
  Progress progress;
  ForBatches(run.pages(), [&](Shard&, PfnRange piece) {
    Pfn at = piece.start;
    for (uint64_t steps = 0; at < piece.end() && steps < kBatch; ++steps) {
      const PageKey page{at, order};
      progress.code = AssociateOne(mapping, page, run.index + (at - run.pfn), shared);
      if (progress.code != 0) break;
      at = page.end();
    }
    progress.done = at - run.pfn;
    return progress.code == 0 ? at : piece.start;
  });
  return progress;
}

int PageTable::AssociateOne(MappingId mapping, PageKey page, FileBlock index, bool shared) {
  if (descriptors_->Conflicts(page)) return EEXIST;
  PageDescriptor& d = descriptors_->At(page);
  if (d.mapping == mapping.value() && d.union_value == index.value()) return 0;
  if (d.idle()) {
    if (d.refs != 0) return EBUSY;
    d.mapping = mapping.value() & kMaxNames;
    d.union_value = index.value() & (kFileEnd.value() - 1);
    descriptors_->Use(page);
    return 0;
  }
  if (!shared) return EUCLEAN;
  if (d.mapping != 0) {
    d.mapping = 0;
    d.union_value = 1;
  }
  ++d.union_value;
  return 0;
}

void PageTable::Disassociate(MappingId mapping, const FileRun& run, Disassociation why) {
  assert(Contains(run.pages()));
  std::vector<CanaryHit> hits;
  ForBatches(run.pages(), [&](Shard&, PfnRange piece) {
    return ForPages(piece, [&](PageKey page) {
      assert(page.head >= run.pfn && page.end() <= run.pages().end());
      const PageInfo before = Unpack(page);
      if (!DisassociateOne(mapping, page, why)) {
        hits.push_back({before, mapping, run.index + (page.head - run.pfn)});
      }
      return true;
    });
  });
  if (!hits.empty()) Report(hits);
}

// False if this was a bug of the filesystem (P9).
bool PageTable::DisassociateOne(MappingId mapping, PageKey page, Disassociation why) {
  PageDescriptor& d = descriptors_->At(page);
  assert(!d.idle());
  if (d.mapping != 0 && d.mapping != mapping.value()) return false;
  const bool pinned = d.refs > d.maps;
  const bool stays_shared = d.mapping == 0 && d.union_value > 1;
  if (!stays_shared) {
    d.mapping = 0;
    d.union_value = 0;
    // With references left, the counts stay so that the last put finds them.
    if (d.refs == 0) descriptors_->Free(page);
  } else {
    --d.union_value;
  }
  // While it stays shared, another file may have been pinning it since this one was found idle:
  // each file's layout lock keeps out only pins through that file.
  return why != Disassociation::kTruncate || !pinned || stays_shared;
}

void PageTable::Report(const std::vector<CanaryHit>& hits) {
  canary_hits_.fetch_add(hits.size(), std::memory_order_relaxed);
  bool go_on = canary_hook_ != nullptr;
  for (const CanaryHit& hit : hits) {
    const Ino ino = InoOf(hit.mapping);
    go_on = go_on && canary_hook_(hit.page, ino, hit.index);
  }
  if (go_on) return;
  std::fprintf(stderr, "page %llu was let go while it was busy\n",
               static_cast<unsigned long long>(hits.front().page.pages.start.value()));
#ifndef NDEBUG
  std::abort();
#endif
}

void PageTable::SplitAround(PfnRange pages) {
  SplitAt(pages.start);
  SplitAt(pages.end());
}

// Splits until no compound lies across the boundary.
void PageTable::SplitAt(Pfn boundary) {
  if (boundary.value() >= pages().value()) return;
  std::vector<std::shared_ptr<WakeOnce>> woken;
  {
    Shard& shard = ShardOf(boundary);
    absl::MutexLock lock(&shard.mutex);
    for (PageKey page = descriptors_->Locate(boundary); page.head != boundary;
         page = descriptors_->Locate(boundary)) {
      descriptors_->Split(page);
      const auto waits = shard.waits.find(page.head.value());
      if (waits == shard.waits.end()) continue;
      woken = waits->second.Take();
      shard.waits.erase(waits);
    }
  }
  FireAll(woken);
}

void PageTable::HandOver(MappingId from, MappingId to, PfnRange pages) {
  ForBatches(pages, [&](Shard&, PfnRange piece) {
    return ForPages(piece, [&](PageKey page) {
      PageDescriptor& d = descriptors_->At(page);
      assert(!d.idle() && (d.mapping == 0 || d.mapping == from.value()));
      if (d.mapping == from.value()) {
        d.mapping = to.value() & kMaxNames;
        d.union_value = page.head.value() & (kFileEnd.value() - 1);
      }
      return true;
    });
  });
}

Progress PageTable::Get(PfnRange pages, Reference kind) {
  if (!Contains(pages)) return {BlockCount(0), ERANGE};
  Progress progress;
  ForBatches(pages, [&](Shard& shard, PfnRange piece) {
    shard.mutex.AssertHeld();
    const Pfn reached = ForPages(piece, [&](PageKey page) {
      PageDescriptor& d = descriptors_->At(page);
      const bool whole = page.head >= pages.start && page.end() <= pages.end();
      progress.code = !whole || d.idle() ? EINVAL : d.refs == kMaxReferences ? EOVERFLOW : 0;
      if (progress.code != 0) return false;
      ++d.refs;
      if (kind == Reference::kMap) ++d.maps;
      return true;
    });
    shard.Referenced(piece.start, reached);
    progress.done = reached - pages.start;
    return progress.code == 0 ? reached : piece.start;
  });
  return progress;
}

std::vector<PfnRange> PageTable::Put(PfnRange pages, Reference kind) {
  assert(Contains(pages));
  std::vector<PfnRange> idle;
  std::vector<std::shared_ptr<WakeOnce>> woken;
  ForBatches(pages, [&](Shard& shard, PfnRange piece) {
    return ForPages(piece, [&](PageKey page) {
      shard.mutex.AssertHeld();
      PageDescriptor& d = descriptors_->At(page);
      assert(d.refs > 0 && (kind == Reference::kMap ? d.maps > 0 : d.refs > d.maps));
      if (kind == Reference::kMap) --d.maps;
      if (--d.refs != 0) return true;
      shard.Unreferenced(page.head, page.end());
      Append(idle, page);
      if (d.idle()) descriptors_->Free(page);
      const auto waits = shard.waits.find(page.head.value());
      if (waits == shard.waits.end()) return true;
      for (auto& wait : waits->second.Take()) woken.push_back(std::move(wait));
      shard.waits.erase(waits);
      return true;
    });
  });
  FireAll(woken);
  return idle;
}

std::optional<PfnRange> PageTable::NextReferenced(PfnRange pages) const {
  const uint64_t units = pages.end().value() / kUnit.value() - pages.start.value() / kUnit.value();
  const size_t shards = std::min<uint64_t>(units + 1, kShards);
  std::optional<Interval> first;
  for (size_t i = 0; i < shards; ++i) {
    const Shard& shard = ShardOf(pages.start + BlockCount(i * kUnit.value()));
    if (!shard.any_referenced.load(std::memory_order_acquire)) continue;
    absl::MutexLock lock(&shard.mutex);
    const uint64_t limit = first ? first->start : pages.end().value();
    const auto next = shard.referenced.Next(pages.start.value(), limit);
    if (next) first = next;
  }
  if (!first) return std::nullopt;
  return PfnRange{Pfn(first->start), BlockCount(first->end - first->start)};
}

bool PageTable::WakeWhenIdle(Pfn pfn, std::shared_ptr<WakeOnce> wake) {
  Shard& shard = ShardOf(pfn);
  absl::MutexLock lock(&shard.mutex);
  const PageKey page = descriptors_->Locate(pfn);
  if (descriptors_->At(page).refs == 0) return false;
  shard.waits[page.head.value()].Add(std::move(wake));
  return true;
}

PageInfo PageTable::Unpack(PageKey page) const {
  const PageDescriptor& d = descriptors_->At(page);
  PageInfo info;
  info.pages = {page.head, page.length()};
  info.order = page.order;
  info.references = d.refs;
  info.mapped = d.maps;
  if (d.mapping != 0) {
    info.state = PageState::kOwned;
    info.owner = InoOf(MappingId(static_cast<uint32_t>(d.mapping)));
    info.index = FileBlock(d.union_value);
  } else if (d.union_value != 0) {
    info.state = PageState::kShared;
    info.share = d.union_value;
  }
  return info;
}

PageInfo PageTable::Describe(Pfn pfn) const {
  assert(Contains({pfn, BlockCount(1)}));
  absl::MutexLock lock(&ShardOf(pfn).mutex);
  return Unpack(descriptors_->Locate(pfn));
}

// The page at `at`, cut to [at, limit); a whole 2 MiB group at a time where nothing is in use.
PageInfo PageTable::Glimpse(Pfn at, Pfn limit) const {
  const bool idle = descriptors_->GroupIdle(at);
  PageInfo info = idle ? PageInfo{} : Unpack(descriptors_->Locate(at));
  const Pfn end = idle ? HeadOf(at, PageOrder::k2M) + kGroup : info.pages.end();
  if (info.state == PageState::kOwned) info.index += at - info.pages.start;
  info.pages = {at, std::min(end, limit) - at};
  return info;
}

void PageTable::ForEachRun(PfnRange range, const std::function<void(const PageInfo&)>& fn) const {
  PageInfo run{.pages = {range.start, BlockCount(0)}};
  std::vector<PageInfo> batch;
  for (Pfn at = range.start; at < range.end();) {
    batch.clear();
    {
      const Pfn unit_end = HeadOf(at, PageOrder::k1G) + kUnit;
      const Pfn limit = std::min(range.end(), unit_end);
      absl::MutexLock lock(&ShardOf(at).mutex);
      for (uint64_t steps = 0; at < limit && steps < kBatch; ++steps) {
        batch.push_back(Glimpse(at, limit));
        at = batch.back().pages.end();
      }
    }
    for (const PageInfo& info : batch) {
      if (Continues(run, info)) {
        run.pages.length += info.pages.length;
      } else {
        if (!run.pages.empty()) fn(run);
        run = info;
      }
    }
  }
  if (!run.pages.empty()) fn(run);
}

std::vector<PageInfo> PageTable::FindLeaks() const {
  std::vector<PageInfo> leaks;
  const auto check = [&](PageKey page) {
    if (descriptors_->At(page).in_use()) leaks.push_back(Unpack(page));
  };
  for (Pfn at(0); at.value() < pages().value();) {
    absl::MutexLock lock(&ShardOf(at).mutex);
    if (!descriptors_->UnitTouched(at)) {
      at = HeadOf(at, PageOrder::k1G) + kUnit;
      continue;
    }
    if (IsAligned(at.value(), PageOrder::k1G)) check({at, PageOrder::k1G});
    if (descriptors_->GroupTouched(at)) {
      check({at, PageOrder::k2M});
      const Pfn end(std::min(pages().value(), (at + kGroup).value()));
      for (Pfn p = at; p < end; p += BlockCount(1)) check({p, PageOrder::k4K});
    }
    at += kGroup;
  }
  return leaks;
}

}  // namespace holdfast::daxcore
