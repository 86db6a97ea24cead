// SPDX-License-Identifier: Apache-2.0
// Changing counts over arbitrary ranges: read the records around, rebuild, store the difference.
#include "fsmeta/refcounts.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "fsmeta/btree_cursor.h"
#include "fsmeta/group_tree.h"

namespace holdfast::fsmeta {
namespace {

using CountedRuns = absl::InlinedVector<CountedRun, 4>;

TreeKey KeyOf(Pfn block) { return TreeKey{{block.value()}}; }

Result<CountedRun> Decode(const Allocator& allocator, uint64_t group, const TreeRecord& record) {
  const CountedRun counted = ToCountedRun(record);
  if (counted.count < 2 || !allocator.IsFileRun(counted.run) ||
      allocator.GroupOf(counted.run.start) != group) {
    return Fail(EUCLEAN, absl::StrCat("refcount record of block ", record.key.words[0],
                                      " is unsound; run fsck.holdfast"));
  }
  return counted;
}

BlockRun RunBetween(Pfn start, Pfn end) { return {start, end - start}; }

// The records that overlap or touch `run`, in order.
Result<CountedRuns> ReadAround(Transaction& tx, const Allocator& allocator, const GroupTree& tree,
                               const BlockRun& run) {
  CountedRuns found;
  TreeCursor cursor(tree.tree(), tx, tree.root());
  HOLDFAST_ASSIGN(bool more, cursor.SeekAtMost(KeyOf(run.start - BlockCount(1))));
  if (!more) {
    HOLDFAST_ASSIGN(more, cursor.SeekAtLeast(KeyOf(run.start)));
  }
  while (more) {
    HOLDFAST_ASSIGN(const CountedRun counted,
                    Decode(allocator, tree.tree().owner(), cursor.record()));
    if (counted.run.start > run.end()) break;
    if (!found.empty() && found.back().run.end() > counted.run.start) {
      return Fail(EUCLEAN, absl::StrCat("refcount records overlap at block ",
                                        counted.run.start.value(), "; run fsck.holdfast"));
    }
    if (counted.run.end() >= run.start) found.push_back(counted);
    HOLDFAST_ASSIGN(more, cursor.Next());
  }
  return found;
}

// What the records read become when each count inside `run` changes by `delta`.
class Recount {
 public:
  Recount(const BlockRun& run, int delta) : run_(run), delta_(delta), next_(run.start) {}

  Result<void> Rebuild(const CountedRuns& old) {
    for (const CountedRun& counted : old) {
      const Pfn start = counted.run.start;
      const Pfn end = counted.run.end();
      HOLDFAST_TRY(FillUpTo(start));
      Emit(start, std::min(end, run_.start), counted.count);
      HOLDFAST_TRY(
          EmitChanged(std::max(start, run_.start), std::min(end, run_.end()), counted.count));
      Emit(std::max(start, run_.end()), end, counted.count);
      next_ = std::max(next_, end);
    }
    return FillUpTo(run_.end());
  }

  CountedRuns records;                     // what is to be stored instead
  absl::InlinedVector<BlockRun, 2> freed;  // what nobody owns any more

 private:
  // Blocks of the run without a record count one.
  Result<void> FillUpTo(Pfn end) {
    const Pfn start = next_;
    next_ = std::max(next_, end);
    return EmitChanged(start, std::min(end, run_.end()), 1);
  }

  Result<void> EmitChanged(Pfn start, Pfn end, uint32_t count) {
    if (start >= end) return {};
    if (delta_ > 0 && count == std::numeric_limits<uint32_t>::max()) {
      return Fail(EMLINK, absl::StrCat("block ", start.value(), " has too many owners"));
    }
    Emit(start, end, count + static_cast<uint32_t>(delta_));
    return {};
  }

  void Emit(Pfn start, Pfn end, uint32_t count) {
    if (start >= end || count == 1) return;
    if (count == 0) {
      freed.push_back(RunBetween(start, end));
    } else if (!records.empty() && records.back().count == count &&
               records.back().run.end() == start) {
      records.back().run.length += end - start;
    } else {
      records.push_back({RunBetween(start, end), count});
    }
  }

  const BlockRun run_;
  const int delta_;
  Pfn next_;  // blocks of the run before it are done
};

// Makes the tree hold `now` where it held `was`; a record that only moves is replaced in place.
Result<void> StoreDifference(GroupTree& tree, const CountedRuns& was, const CountedRuns& now) {
  constexpr uint64_t kNone = ~uint64_t{0};
  const auto start_of = [](const CountedRuns& runs, size_t i) {
    return i < runs.size() ? runs[i].run.start.value() : kNone;
  };
  size_t i = 0;
  size_t j = 0;
  while (i < was.size() || j < now.size()) {
    const uint64_t old_start = start_of(was, i);
    const uint64_t new_start = start_of(now, j);
    if (old_start == new_start) {
      if (was[i] != now[j]) HOLDFAST_TRY(tree.Update(ToTreeRecord(now[j])));
      ++i, ++j;
    } else if (old_start != kNone && new_start != kNone && start_of(was, i + 1) > new_start &&
               start_of(now, j + 1) > old_start) {
      HOLDFAST_TRY(tree.Replace(KeyOf(was[i].run.start), ToTreeRecord(now[j])));
      ++i, ++j;
    } else if (old_start < new_start) {
      HOLDFAST_TRY(tree.Erase(KeyOf(was[i++].run.start)));
    } else {
      HOLDFAST_TRY(tree.Insert(ToTreeRecord(now[j++])));
    }
  }
  return {};
}

Result<absl::InlinedVector<BlockRun, 2>> Change(Transaction& tx, Allocator& allocator,
                                                const BlockRun& run, int delta, AllocFor purpose) {
  HOLDFAST_ASSIGN(GroupTree tree,
                  GroupTree::Open(tx, allocator, TreeKind::kRefcount, run.start, purpose));
  HOLDFAST_ASSIGN(const CountedRuns old, ReadAround(tx, allocator, tree, run));
  Recount recount(run, delta);
  HOLDFAST_TRY(recount.Rebuild(old));
  HOLDFAST_TRY(StoreDifference(tree, old, recount.records));
  return std::move(recount.freed);
}

}  // namespace

TreeRecord ToTreeRecord(const CountedRun& counted) {
  return {KeyOf(counted.run.start), {counted.run.length.value() | uint64_t{counted.count} << 32}};
}

CountedRun ToCountedRun(const TreeRecord& record) {
  return {{Pfn(record.key.words[0]), BlockCount(record.value[0] & 0xffffffff)},
          static_cast<uint32_t>(record.value[0] >> 32)};
}

Result<void> Refcounts::CheckRun(BlockRun run) const {
  if (allocator_.IsFileRun(run)) return {};
  return Fail(EUCLEAN, absl::StrCat("blocks [", run.start.value(), ", +", run.length.value(),
                                    ") are no run of one group; run fsck.holdfast"));
}

Result<void> Refcounts::Increment(Transaction& tx, BlockRun run, AllocFor purpose) {
  HOLDFAST_TRY(CheckRun(run));
  HOLDFAST_TRY(Change(tx, allocator_, run, +1, purpose));
  return {};
}

Result<absl::InlinedVector<BlockRun, 2>> Refcounts::Decrement(Transaction& tx, BlockRun run) {
  HOLDFAST_TRY(CheckRun(run));
  return Change(tx, allocator_, run, -1, AllocFor::kRemoval);
}

Result<absl::InlinedVector<CountedRun, 2>> Refcounts::Lookup(Transaction& tx, BlockRun run) const {
  HOLDFAST_TRY(CheckRun(run));
  HOLDFAST_TRY(tx.Lock({ResourceClass::kGroup, allocator_.GroupOf(run.start)}));
  return Lookup(static_cast<MetaReader&>(tx), run);
}

Result<absl::InlinedVector<CountedRun, 2>> Refcounts::Lookup(MetaReader& reader,
                                                             BlockRun run) const {
  HOLDFAST_TRY(CheckRun(run));
  absl::InlinedVector<CountedRun, 2> pieces;
  while (run.length.value() != 0) {
    HOLDFAST_ASSIGN(const CountedRun piece, LookupFirst(reader, run));
    if (!pieces.empty() && pieces.back().count == piece.count) {
      pieces.back().run.length += piece.run.length;
    } else {
      pieces.push_back(piece);
    }
    run = RunBetween(piece.run.end(), run.end());
  }
  return pieces;
}

Result<CountedRun> Refcounts::LookupFirst(MetaReader& reader, BlockRun run) const {
  HOLDFAST_TRY(CheckRun(run));
  const uint64_t group = allocator_.GroupOf(run.start);
  HOLDFAST_ASSIGN(const TreeRoot root,
                  GroupTree::RootOf(reader, allocator_, TreeKind::kRefcount, group));
  const BTree tree(TreeKind::kRefcount, group);
  TreeCursor cursor(tree, reader, root);
  HOLDFAST_ASSIGN(bool more, cursor.SeekAtMost(KeyOf(run.start)));
  if (more) {
    HOLDFAST_ASSIGN(const CountedRun before, Decode(allocator_, group, cursor.record()));
    const Pfn end = std::min(before.run.end(), run.end());
    if (run.start < end) return CountedRun{RunBetween(run.start, end), before.count};
    HOLDFAST_ASSIGN(more, cursor.Next());
  } else {
    HOLDFAST_ASSIGN(more, cursor.SeekAtLeast(KeyOf(run.start)));
  }
  const Pfn next = more ? Pfn(cursor.record().key.words[0]) : run.end();
  return CountedRun{RunBetween(run.start, std::min(next, run.end())), 1};
}

}  // namespace holdfast::fsmeta
