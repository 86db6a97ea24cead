// SPDX-License-Identifier: Apache-2.0
// The entries of one inode's address space: which pages are mapped at which blocks.
#pragma once

#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "daxcore/page_table.h"
#include "daxcore/ranges.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Flags of an entry (E1, E2).
enum EntryFlags : uint8_t {
  kEntryZero = 1 << 0,    ///< a hole that reads as zeroes: has no page (P7)
  kEntryEmpty = 1 << 1,   ///< a place kept for a page that is not known yet: has no page (P7)
  kEntryLocked = 1 << 2,  ///< somebody works on it without the mapping's lock
  kEntryDirty = 1 << 3,   ///< CPU caches may hold stores to it that are not durable (E2)
};

/// A run of entries that continue each other: same flags, same order, pages in a row.
struct EntryRun {
  FileRun run;
  PageOrder order = PageOrder::k4K;
  uint8_t flags = 0;

  bool has_pages() const { return (flags & (kEntryZero | kEntryEmpty)) == 0; }
  bool dirty() const { return (flags & kEntryDirty) != 0; }
  bool locked() const { return (flags & kEntryLocked) != 0; }
  bool operator==(const EntryRun&) const = default;
};

/// How entries leave.
enum class Drop {
  kInvalidate,  ///< clean ones only: dirty entries stay (E4)
  kTruncate,    ///< all of them; their pages are about to leave the file (E4, P9)
};

/// Owns the entries of one address space, as ordered runs, and keeps the descriptors in step: a
/// page is associated with this mapping exactly while an entry with pages covers it. O(log n) per
/// run. Not thread-safe: guarded by the inode's entry lock. Nothing survives the process.
///
/// The order of an entry is the one it was associated with, or smaller after a split; the
/// descriptors may be split further on behalf of another file that shares the pages.
class Mapping {
 public:
  /// `table` outlives the mapping; `id` is its name there and is given back by the destructor.
  Mapping(PageTable& table, MappingId id) : table_(table), id_(id) {}
  /// Drops every entry.
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool empty() const { return runs_.empty(); }
  size_t run_count() const { return runs_.size(); }
  MappingId id() const { return id_; }

  /// One bounded step (at most kBatch pages, C7) of putting entries for `run` in place, in pages as
  /// large as alignment and the region's geometry allow (C1). What was there with another page, or
  /// none, is disassociated first, then the new one is associated (E5); what is there already stays
  /// (P8), gaining `dirty`. Where pages of another order are in use, a compound met only partly is
  /// split (C4), else the smaller order is taken. `done` may be short without an error: go on from
  /// there. Errors: those of PageTable::Associate, EBUSY if an entry in the way is locked.
  Progress Insert(const FileRun& run, bool shared, bool dirty);
  /// Puts entries without pages (kEntryZero or kEntryEmpty) where there are none with pages (P7).
  void InsertPageless(FileRange range, EntryFlags kind);
  /// One bounded step of dropping the entries in `range`; a compound that is only partly inside is
  /// split first (C4). None of them may be locked. Returns how far it came: `range.end` when it is
  /// done.
  FileBlock Remove(FileRange range, Drop how);
  /// Splits compounds that `range` covers only partly (C4), so that references to it can be taken.
  void SplitAround(FileRange range);
  /// What is mapped of `run` leaves, with its references, for the mapping `to`, where a page's
  /// index is its number (quarantine). Returns the pages that were mapped.
  std::vector<PfnRange> HandOver(const FileRun& run, MappingId to);

  /// The run that covers `block`.
  std::optional<EntryRun> Find(FileBlock block) const;
  /// The first run that ends after `range.start` and starts before its end, clipped to it.
  std::optional<EntryRun> Next(FileRange range) const;
  /// The first pages at or after `range.start`, in index order, that anybody references (L3). One
  /// bounded step: `range.start` moves to where the search goes on; nothing is left when it is
  /// empty.
  std::optional<FileRun> NextReferenced(FileRange& range) const;

  /// The first dirty entry that overlaps `range`: whole, from its aligned start (E3).
  /// Single pages come up to 512 at a time.
  std::optional<EntryRun> NextDirty(FileRange range) const;
  /// Locks the entry `seen`, if it still is what was seen: same place, same pages, dirty, unlocked
  /// (E3).
  bool Lock(const EntryRun& seen);
  /// Unlocks it; with `clean` it is dirty no more.
  void Unlock(const EntryRun& seen, bool clean);

 private:
  using Runs = absl::btree_map<FileBlock, EntryRun>;  // by run.index

  Runs::const_iterator FirstEndingAfter(FileBlock block) const;
  Progress AddPages(const FileRun& gap, PageOrder largest, bool shared, uint8_t flags);
  Progress MakeWay(const FileRun& rest, PageOrder order, bool shared, uint8_t flags);
  void CutAt(FileBlock block);
  void SplitEntryAt(FileBlock block);
  void Add(EntryRun entry);
  void SetFlags(FileRange range, uint8_t set, uint8_t clear);

  PageTable& table_;
  const MappingId id_;
  Runs runs_;
};

}  // namespace holdfast::daxcore
