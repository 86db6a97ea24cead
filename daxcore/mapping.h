// SPDX-License-Identifier: Apache-2.0
// The entries of one inode's address space: which pages are mapped at which blocks.
#pragma once

#include <functional>
#include <optional>

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
class Mapping {
 public:
  /// `table` outlives the mapping; `id` is its name there and is given back by the destructor.
  Mapping(PageTable& table, MappingId id) : table_(table), id_(id) {}
  /// Drops every entry, as kInvalidate with the dirty ones.
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool empty() const { return runs_.empty(); }
  size_t run_count() const { return runs_.size(); }
  MappingId id() const { return id_; }

  /// Puts entries for `run` in place, in pages as large as alignment and the region's geometry
  /// allow (C1, C8). What was there and differs in page or kind is disassociated first, then the
  /// new is associated (E5); what is there already stays, gaining `dirty` (P8). A compound met only
  /// partly is split first (C4). Errors of PageTable::Associate; then nothing of `run` beyond what
  /// the result says is changed. EBUSY if an entry in the way is locked.
  Progress Insert(const FileRun& run, bool shared, bool dirty);
  /// As Insert, for blocks without pages (kEntryZero or kEntryEmpty). Entries with pages that
  /// anybody references are EBUSY.
  Result<void> InsertPageless(FileRange range, EntryFlags kind);
  /// Drops the entries in `range`; a compound that is only partly inside is split first (C4).
  /// Nothing inside may be locked.
  void Remove(FileRange range, Drop how);
  /// The entries of `pages` inside this mapping at `run` move to the mapping `to` (quarantine).
  void HandOver(const FileRun& run, Mapping& to);

  /// The run that covers `block`.
  std::optional<EntryRun> Find(FileBlock block) const;
  /// The first run that ends after `from` and starts before `limit`, clipped to both.
  std::optional<EntryRun> Next(FileBlock from, FileBlock limit) const;
  /// The first page inside `range`, in index order, that anybody references, as a run of such (L3).
  std::optional<FileRun> NextReferenced(FileRange range) const;

  /// The first dirty, unlocked entry in `range`, whole, from its aligned start (E3).
  std::optional<EntryRun> NextDirty(FileRange range) const;
  /// Marks the entry `seen` locked, if it still is what was seen: same place, same page (E3).
  bool Lock(const EntryRun& seen);
  /// Unlocks it; with `clean` it is dirty no more.
  void Unlock(const EntryRun& seen, bool clean);
  /// Entries in `range` that have pages become dirty.
  void MarkDirty(FileRange range);

  /// Calls `fn` for each run that overlaps `range`, clipped, in order.
  void ForEach(FileRange range, const std::function<void(const EntryRun&)>& fn) const;

 private:
  using Runs = absl::btree_map<FileBlock, EntryRun>;  // by run.index

  PageTable& table_;
  const MappingId id_;
  Runs runs_;
};

}  // namespace holdfast::daxcore
