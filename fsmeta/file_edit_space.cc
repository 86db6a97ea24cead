// SPDX-License-Identifier: Apache-2.0
// Blocks that a file gets, replaces and lets go of.
#include <algorithm>
#include <array>

#include "fsmeta/file_edit.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kHugePageBlocks = 512;
// Smaller pieces fill holes: not every file of a few pages may begin a huge page of its own.
constexpr BlockCount kLargePiece{256};

bool SameOffsetInHugePage(FileBlock at, Pfn pfn) {
  return at.value() % kHugePageBlocks == pfn.value() % kHugePageBlocks;
}

FileRun AsFileRun(const Extent& extent) {
  return {extent.file_block, extent.run.start, extent.run.length};
}

void AddRange(FileRange range, std::vector<FileRange>* out) {
  if (!out->empty() && out->back().end >= range.start) {
    out->back().end = std::max(out->back().end, range.end);
  } else {
    out->push_back(range);
  }
}

}  // namespace

Extent Clip(const Extent& extent, const FileRange& range) {
  const FileRun part = AsFileRun(extent).Clip(range);
  return {part.index, {part.pfn, part.length}, extent.flags};
}

Result<std::vector<Extent>> FileEdit::Mapped(FileRange range) {
  std::vector<Extent> found;
  HOLDFAST_TRY(extents().ForEach(tx_, *slot_, range.start, range.end, [&](const Extent& extent) {
    found.push_back(Clip(extent, range));
    return true;
  }));
  return found;
}

// New blocks for `range`, not mapped yet; right behind what the file has before, so that it stays
// in one piece.
Result<std::vector<PlacedRun>> FileEdit::Take(FileRange range, Need need) {
  std::vector<PlacedRun> taken;
  HOLDFAST_ASSIGN(const std::optional<Extent> before, extents().Before(tx_, *slot_, range.start));
  Pfn goal = before ? before->run.end() : Pfn(0);
  for (FileBlock at = range.start; at < range.end;) {
    auto run = TakeRun(at, range.end - at, goal);
    if (!run && run.error().code == ENOSPC && need == Need::kWhatFits) break;
    if (!run) return Pass(std::move(run));
    taken.push_back({at, *run});
    at += run->length;
    goal = run->end();
  }
  return taken;
}

Result<BlockRun> FileEdit::TakeRun(FileBlock at, BlockCount want, Pfn goal) {
  HOLDFAST_ASSIGN(const BlockRun run,
                  volume_.allocator().Allocate(tx_, want, goal, AllocFor::kData));
  if (run.start == goal || want < kLargePiece || SameOffsetInHugePage(at, run.start)) return run;
  const auto aligned = TakeForHugePages(at, want, goal);
  if (!aligned && aligned.error().code == ENOSPC) return run;
  if (aligned) HOLDFAST_TRY(volume_.allocator().Free(tx_, run));
  return aligned;
}

// A large piece that does not continue another one lies so that it can be mapped in pages of 2 MiB.
// ENOSPC where that cannot be had.
Result<BlockRun> FileEdit::TakeForHugePages(FileBlock at, BlockCount want, Pfn goal) {
  Allocator& allocator = volume_.allocator();
  const BlockCount before(at.value() % kHugePageBlocks);
  const BlockCount length(std::max(kHugePageBlocks, before.value() + want.value()));
  HOLDFAST_ASSIGN(const BlockRun all,
                  allocator.Allocate(tx_, length, goal, AllocFor::kData, /*exact=*/true));
  const BlockRun run{all.start + before, want};
  if (!SameOffsetInHugePage(at, run.start)) {
    HOLDFAST_TRY(allocator.Free(tx_, all));
    return Fail(ENOSPC);
  }
  // The rest goes back; what comes next in the file finds it free behind the run.
  if (before != BlockCount(0)) HOLDFAST_TRY(allocator.Free(tx_, {all.start, before}));
  if (run.end() != all.end()) HOLDFAST_TRY(allocator.Free(tx_, {run.end(), all.end() - run.end()}));
  return run;
}

Result<void> FileEdit::Map(std::span<const PlacedRun> runs, uint32_t flags) {
  for (const PlacedRun& placed : runs) {
    HOLDFAST_TRY(extents().Insert(tx_, slot_, {placed.start, placed.run, flags}, AllocFor::kData));
  }
  return {};
}

Result<std::vector<PlacedRun>> FileEdit::Fill(FileRange hole, uint32_t flags, Need need) {
  if (hole.empty()) return std::vector<PlacedRun>();
  HOLDFAST_ASSIGN(std::vector<PlacedRun> taken, Take(hole, need));
  HOLDFAST_TRY(Map(taken, flags));
  return taken;
}

Result<std::vector<PlacedRun>> FileEdit::Replace(FileRange mapped, Need need) {
  HOLDFAST_ASSIGN(std::vector<PlacedRun> taken, Take(mapped, need));
  if (taken.empty()) return taken;
  HOLDFAST_TRY(Drop({mapped.start, taken.back().end()}));
  HOLDFAST_TRY(Map(taken, 0));
  return taken;
}

Result<void> FileEdit::SetWritten(FileRange range) {
  return extents().SetUnwritten(tx_, slot_, range.start, range.end, false, AllocFor::kData);
}

Result<void> FileEdit::SetUnwritten(FileRange range) {
  if (range.empty()) return {};
  HOLDFAST_ASSIGN(const std::vector<Extent> mapped, Mapped(range));
  for (const Extent& extent : mapped) {
    if (extent.unwritten()) continue;
    HOLDFAST_ASSIGN(const std::vector<FileRange> others, Untouchable(extent));
    for (const FileRange& part : others) HOLDFAST_TRY(Drop(part));
  }
  return extents().SetUnwritten(tx_, slot_, range.start, range.end, true, AllocFor::kData);
}

Result<void> FileEdit::FillHoles(FileRange range) {
  HOLDFAST_ASSIGN(const std::vector<Extent> mapped, Mapped(range));
  std::vector<FileRange> holes;
  BlockCount wanted{0};
  const auto add = [&](FileBlock from, FileBlock to) {
    if (from >= to) return;
    holes.push_back({from, to});
    wanted += to - from;
  };
  FileBlock at = range.start;
  for (const Extent& extent : mapped) {
    add(at, extent.file_block);
    at = extent.end();
  }
  add(at, range.end);
  // Before the bitmaps of the whole volume are taken up for nothing.
  HOLDFAST_ASSIGN(const SpaceTotals space, volume_.allocator().Totals());
  if (wanted > space.available) return Fail(ENOSPC);
  for (const FileRange& hole : holes) HOLDFAST_TRY(Fill(hole, kExtentUnwritten));
  return {};
}

Result<void> FileEdit::Drop(FileRange range) {
  std::vector<Extent> gone;
  HOLDFAST_TRY(extents().Remove(tx_, slot_, range.start, range.end, SIZE_MAX, &gone));
  return Release(gone);
}

Result<FileBlock> FileEdit::DropFitting(FileRange range) {
  std::vector<Extent> gone;
  HOLDFAST_ASSIGN(const FileBlock reached,
                  extents().RemoveFitting(tx_, slot_, range.start, range.end, &gone));
  HOLDFAST_TRY(Release(gone));
  return reached;
}

Result<void> FileEdit::Release(std::span<const Extent> gone) {
  std::vector<Extent> released;
  std::vector<BlockRun> quarantined;
  for (const Extent& extent : gone) {
    std::vector<FileRun> busy;
    if (broken_ != nullptr) busy = broken_->outcome.BusyPartsOf(AsFileRun(extent));
    FileBlock at = extent.file_block;
    for (const FileRun& run : busy) {
      if (at < run.index) released.push_back(Clip(extent, {at, run.index}));
      broken_->leaving.push_back(run);
      quarantined.push_back({run.pfn, run.length});
      at = run.end();
    }
    if (at < extent.end()) released.push_back(Clip(extent, {at, extent.end()}));
  }
  // With the blocks, in one transaction, goes who may touch them: a crash forgets neither (L11).
  if (!quarantined.empty()) {
    HOLDFAST_TRY(
        volume_.quarantine_file().AddRuns(tx_, quarantined, inode_.ino, broken_->outcome.holders));
  }
  return ReleaseExtents(tx_, volume_.space(), released, nullptr);
}

Result<void> FileEdit::Shift(FileBlock from, int64_t delta) {
  if (broken_ != nullptr) {
    for (const FileRange& busy : broken_->outcome.busy) {
      const FileRange moving{std::max(busy.start, from), busy.end};
      if (!moving.empty()) HOLDFAST_TRY(CopyAway(moving));
    }
  }
  HOLDFAST_ASSIGN(const std::optional<Extent> last, extents().Before(tx_, *slot_, kFileEnd));
  if (last && delta > 0 && (kFileEnd - last->end()).value() < static_cast<uint64_t>(delta)) {
    return Fail(EFBIG);
  }
  return extents().Shift(tx_, slot_, from, delta, AllocFor::kData);
}

Result<void> FileEdit::CopyAway(FileRange range) {
  HOLDFAST_ASSIGN(const std::vector<Extent> mapped, Mapped(range));
  for (const Extent& old : mapped) {
    if (old.unwritten()) continue;
    HOLDFAST_ASSIGN(const std::vector<PlacedRun> placed, Replace({old.file_block, old.end()}));
    for (const PlacedRun& piece : placed) {
      HOLDFAST_TRY(store().CopyWithin(ByteOffset(piece.run.start),
                                      ByteOffset(old.run.start + (piece.start - old.file_block)),
                                      Bytes(piece.run.length)));
    }
  }
  return {};
}

Result<void> FileEdit::MoveIntoHugePage(FileRange part) {
  HOLDFAST_ASSIGN(const std::vector<Extent> old, Mapped(part));
  HOLDFAST_ASSIGN(const BlockRun run, TakeForHugePages(part.start, part.length(), Pfn(0)));
  HOLDFAST_TRY(Drop(part));
  HOLDFAST_TRY(Map(std::array{PlacedRun{part.start, run}}, 0));
  for (const Extent& extent : old) {
    const Pfn to = run.start + (extent.file_block - part.start);
    HOLDFAST_TRY(
        store().CopyWithin(ByteOffset(to), ByteOffset(extent.run.start), Bytes(extent.run.length)));
  }
  return {};
}

Result<void> FileEdit::ShareFrom(FileEdit& source, FileBlock from, FileRange to) {
  HOLDFAST_ASSIGN(const std::vector<Extent> shared, source.Mapped({from, from + to.length()}));
  HOLDFAST_TRY(Drop(to));
  for (const Extent& extent : shared) {
    if (extent.unwritten()) continue;
    HOLDFAST_TRY(volume_.refcounts().Increment(tx_, extent.run, AllocFor::kData));
    const FileBlock at = to.start + (extent.file_block - from);
    HOLDFAST_TRY(extents().Insert(tx_, slot_, {at, extent.run, 0}, AllocFor::kData));
  }
  slot_->flags |= kInodeMayShare;
  source.slot_->flags |= kInodeMayShare;
  return {};
}

Result<std::vector<FileRange>> FileEdit::Untouchable(const Extent& written) {
  std::vector<FileRange> found;
  if (may_share()) {
    HOLDFAST_ASSIGN(const auto counted, volume_.refcounts().Lookup(tx_, written.run));
    for (const CountedRun& piece : counted) {
      const FileBlock start = written.file_block + (piece.run.start - written.run.start);
      if (piece.count > 1) AddRange({start, start + piece.run.length}, &found);
    }
  }
  if (broken_ == nullptr) return found;
  for (const FileRun& busy : broken_->outcome.BusyPartsOf(AsFileRun(written))) {
    found.push_back(busy.range());
  }
  std::ranges::sort(found, {}, &FileRange::start);
  std::vector<FileRange> merged;
  for (const FileRange& range : found) AddRange(range, &merged);
  return merged;
}

}  // namespace holdfast::fsmeta
