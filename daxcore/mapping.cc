// SPDX-License-Identifier: Apache-2.0
// Entries as runs, kept in step with the page table.
#include "daxcore/mapping.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <iterator>

namespace holdfast::daxcore {
namespace {

struct Chunk {
  PageOrder order;
  BlockCount length;
};

// The longest piece from the start of `run` that one order serves, the largest one that is allowed.
Chunk FirstChunk(const FileRun& run, PageOrder largest) {
  const uint64_t size = BlocksOf(largest).value();
  const uint64_t start = run.index.value(), end = run.end().value();
  if (largest == PageOrder::k4K) return {largest, run.length};
  const uint64_t first = AlignUp(start, size), last = AlignDown(end, size);
  const bool in_step = run.pfn.value() % size == start % size;
  if (!in_step || first >= last) return FirstChunk(run, Smaller(largest));
  if (first == start) return {largest, BlockCount(last - first)};
  return FirstChunk({run.index, run.pfn, BlockCount(first - start)}, Smaller(largest));
}

FileRun Front(const FileRun& run, BlockCount length) { return {run.index, run.pfn, length}; }

EntryRun Clipped(const EntryRun& entry, FileRange range) {
  return {entry.run.Clip(range), entry.order, entry.flags};
}

bool CanMerge(const EntryRun& a, const EntryRun& b) {
  return a.run.end() == b.run.index && a.order == b.order && a.flags == b.flags && !a.locked() &&
         (!a.has_pages() || a.run.pages().end() == b.run.pfn);
}

}  // namespace

Mapping::~Mapping() {
  for (const auto& [index, entry] : runs_) {
    if (entry.has_pages()) table_.Disassociate(id_, entry.run, Disassociation::kInvalidate);
  }
  table_.RemoveMapping(id_);
}

Mapping::Runs::const_iterator Mapping::FirstEndingAfter(FileBlock block) const {
  auto it = runs_.upper_bound(block);
  if (it != runs_.begin() && std::prev(it)->second.run.end() > block) --it;
  return it;
}

std::optional<EntryRun> Mapping::Next(FileRange range) const {
  const auto it = FirstEndingAfter(range.start);
  if (it == runs_.end() || it->first >= range.end || range.empty()) return std::nullopt;
  return Clipped(it->second, range);
}

std::optional<EntryRun> Mapping::Find(FileBlock block) const {
  const auto it = FirstEndingAfter(block);
  if (it == runs_.end() || it->first > block) return std::nullopt;
  return it->second;
}

Progress Mapping::Insert(const FileRun& run, bool shared, bool dirty) {
  const uint8_t flags = dirty ? kEntryDirty : 0;
  const auto old = Next(run.range());
  const BlockCount gap = old ? old->run.index - run.index : run.length;
  if (gap > BlockCount(0)) return AddPages(Front(run, gap), table_.geometry(), shared, flags);
  if (old->locked()) return {BlockCount(0), EBUSY};
  if (old->has_pages() && old->run.pfn == run.pfn) {
    if (dirty) SetFlags(old->run.range(), kEntryDirty, 0);
    return {old->run.length, 0};
  }
  Remove(old->run.range(), Drop::kTruncate);
  return {};
}

// One association of one order, at most kBatch pages of it.
Progress Mapping::AddPages(const FileRun& gap, PageOrder largest, bool shared, uint8_t flags) {
  const Chunk chunk = FirstChunk(gap, largest);
  const BlockCount most(BlocksOf(chunk.order).value() * PageTable::kBatch);
  const FileRun run = Front(gap, std::min(chunk.length, most));
  const Progress made = table_.Associate(id_, run, chunk.order, shared);
  if (made.done > BlockCount(0)) {
    Add({Front(run, made.done), chunk.order, flags});
    return {made.done, 0};
  }
  return made.code == EEXIST ? MakeWay(gap, chunk.order, shared, flags) : made;
}

// Pages of another order are in use where a page of `order` at the start of `rest` should go (C4):
// a larger one is split, smaller ones are joined as they are.
Progress Mapping::MakeWay(const FileRun& rest, PageOrder order, bool shared, uint8_t flags) {
  if (table_.Describe(rest.pfn).order > order) {
    table_.SplitAround({rest.pfn, BlocksOf(order)});
    return {};
  }
  if (order == PageOrder::k4K) return {};  // it went away meanwhile
  return AddPages(Front(rest, BlocksOf(order)), Smaller(order), shared, flags);
}

// Puts an entry where there is none, merged with its neighbours where it continues them.
void Mapping::Add(EntryRun entry) {
  auto next = runs_.lower_bound(entry.run.index);
  if (next != runs_.end() && CanMerge(entry, next->second)) {
    entry.run.length += next->second.run.length;
    next = runs_.erase(next);
  }
  if (next != runs_.begin() && CanMerge(std::prev(next)->second, entry)) {
    std::prev(next)->second.run.length += entry.run.length;
    return;
  }
  runs_.emplace_hint(next, entry.run.index, entry);
}

void Mapping::InsertPageless(FileRange range, EntryFlags kind) {
  assert(kind == kEntryZero || kind == kEntryEmpty);
  while (!range.empty()) {
    const auto old = Next(range);
    const FileBlock gap_end = old ? old->run.index : range.end;
    if (gap_end > range.start) {
      Add({{range.start, Pfn(0), gap_end - range.start}, PageOrder::k4K, kind});
    }
    range.start = old ? old->run.end() : range.end;
  }
}

void Mapping::CutAt(FileBlock block) {
  const auto found = FirstEndingAfter(block);
  if (found == runs_.end() || found->first >= block) return;
  const auto it = runs_.find(found->first);
  EntryRun tail = it->second;
  const BlockCount front = block - it->first;
  tail.run = {block, tail.has_pages() ? tail.run.pfn + front : Pfn(0), tail.run.length - front};
  it->second.run.length = front;
  runs_.emplace(block, tail);
}

// Makes `block` a boundary between entries, in the descriptors too; every compound across it
// becomes pages of the next smaller order (C4).
void Mapping::SplitEntryAt(FileBlock block) {
  for (;;) {
    const auto entry = Find(block);
    if (!entry || !entry->has_pages() || IsAligned(block.value(), entry->order)) break;
    const FileBlock head(AlignDown(block.value(), BlocksOf(entry->order).value()));
    CutAt(head);
    CutAt(head + BlocksOf(entry->order));
    runs_.find(head)->second.order = Smaller(entry->order);
  }
  CutAt(block);
  const auto entry = Find(block);
  if (entry && entry->has_pages()) table_.SplitAround({entry->run.pfn, BlockCount(0)});
}

void Mapping::SplitAround(FileRange range) {
  SplitEntryAt(range.start);
  SplitEntryAt(range.end);
}

FileBlock Mapping::Remove(FileRange range, Drop how) {
  SplitAround(range);
  const auto why = how == Drop::kTruncate ? Disassociation::kTruncate : Disassociation::kInvalidate;
  uint64_t budget = PageTable::kBatch;
  for (auto it = FirstEndingAfter(range.start); it != runs_.end() && it->first < range.end;) {
    const EntryRun entry = it->second;
    assert(!entry.locked());
    const BlockCount most(budget * BlocksOf(entry.order).value());
    const bool keep = how == Drop::kInvalidate && entry.dirty();
    if (!keep && entry.has_pages() && entry.run.length > most) CutAt(entry.run.index + most);
    const EntryRun piece = *Find(entry.run.index);
    if (!keep) runs_.erase(piece.run.index);
    if (!keep && piece.has_pages()) table_.Disassociate(id_, piece.run, why);
    const uint64_t heads = piece.run.length.value() / BlocksOf(piece.order).value();
    budget -= std::min(budget, keep || !piece.has_pages() ? 1 : heads);
    if (budget == 0) return std::min(piece.run.end(), range.end);
    it = FirstEndingAfter(piece.run.end());
  }
  return range.end;
}

std::vector<PfnRange> Mapping::HandOver(const FileRun& run, MappingId to) {
  SplitAround(run.range());
  std::vector<PfnRange> handed;
  auto it = FirstEndingAfter(run.index);
  while (it != runs_.end() && it->first < run.end()) {
    const EntryRun entry = it->second;
    assert(!entry.locked());
    if (entry.has_pages()) {
      assert(entry.run == run.Clip(entry.run.range()));
      table_.HandOver(id_, to, entry.run.pages());
      handed.push_back(entry.run.pages());
    }
    it = runs_.erase(it);
  }
  return handed;
}

std::optional<FileRun> Mapping::NextReferenced(FileRange& range) const {
  for (uint64_t steps = 0; steps < PageTable::kBatch; ++steps) {
    const auto entry = Next(range);
    if (!entry) {
      range.start = range.end;
      return std::nullopt;
    }
    if (entry->has_pages()) {
      if (const auto pages = table_.NextReferenced(entry->run.pages())) {
        const FileBlock index = entry->run.index + (pages->start - entry->run.pfn);
        range.start = index + pages->length;
        return FileRun{index, pages->start, pages->length};
      }
    }
    range.start = entry->run.end();
  }
  return std::nullopt;
}

std::optional<EntryRun> Mapping::NextDirty(FileRange range) const {
  constexpr BlockCount kMostSingles(PageTable::kBatch);
  for (auto it = FirstEndingAfter(range.start); it != runs_.end() && it->first < range.end; ++it) {
    const EntryRun& entry = it->second;
    if (!entry.dirty()) continue;
    const BlockCount size = BlocksOf(entry.order);
    const FileBlock wanted = std::max(range.start, entry.run.index);
    const FileBlock start(AlignDown(wanted.value(), size.value()));
    const BlockCount most = std::max(size, kMostSingles);
    const FileBlock end = std::min(
        {entry.run.end(), start + most, FileBlock(AlignUp(range.end.value(), size.value()))});
    return Clipped(entry, {start, end});
  }
  return std::nullopt;
}

bool Mapping::Lock(const EntryRun& seen) {
  const auto now = Next(seen.run.range());
  if (!now || *now != seen || now->locked()) return false;
  SetFlags(seen.run.range(), kEntryLocked, 0);
  return true;
}

void Mapping::Unlock(const EntryRun& seen, bool clean) {
  SetFlags(seen.run.range(), 0, kEntryLocked | (clean ? kEntryDirty : 0));
}

// Whole entries: a compound that is only touched by `range` gets the flags too.
void Mapping::SetFlags(FileRange range, uint8_t set, uint8_t clear) {
  if (const auto first = Find(range.start)) {
    range.start = FileBlock(AlignDown(range.start.value(), BlocksOf(first->order).value()));
  }
  if (const auto last = Find(range.end)) {
    range.end = FileBlock(AlignUp(range.end.value(), BlocksOf(last->order).value()));
  }
  CutAt(range.start);
  CutAt(range.end);
  for (auto it = runs_.lower_bound(range.start); it != runs_.end() && it->first < range.end;) {
    EntryRun entry = it->second;
    runs_.erase(it);
    if (entry.has_pages()) entry.flags = static_cast<uint8_t>((entry.flags & ~clear) | set);
    Add(entry);
    it = runs_.lower_bound(entry.run.end());
  }
}

}  // namespace holdfast::daxcore
