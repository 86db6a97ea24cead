// SPDX-License-Identifier: Apache-2.0
// The page descriptors of a region: who maps each page, and who may still touch it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/page_order.h"
#include "daxcore/range_set.h"
#include "daxcore/ranges.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Names one address space in descriptors. 0 is "none".
using MappingId = Quantity<struct MappingIdTag, uint32_t>;

/// One page's record (semantics section 1). All zero is IDLE, so untouched memory needs no start-up
/// (C2). Of a compound only the head is used (C2); its tails stay zero.
///
/// Notes: the page is IDLE iff mapping == 0 and union_value == 0; then refs, maps and order are 0
/// too. SHARED(n) iff mapping == 0 and union_value == n >= 1 (P1). OWNED iff mapping != 0;
/// union_value is then the file's block index (P6). maps <= refs (P12).
struct PageDescriptor {
  uint64_t union_value : 48;  ///< index of the owner's block (OWNED) or share count (SHARED)
  uint64_t order : 2;         ///< PageOrder
  uint64_t unused : 14;
  uint64_t mapping : 24;  ///< MappingId, 0 = null
  uint64_t refs : 20;     ///< R: everything that may still touch the page
  uint64_t maps : 20;     ///< C: those of them that come from mappings
};
static_assert(sizeof(PageDescriptor) == 16);

/// State of a page as in the table of semantics section 1.
enum class PageState : uint8_t { kIdle, kOwned, kShared };

/// A descriptor, unpacked, for people and tests.
struct PageInfo {
  PfnRange pages;  ///< the whole page: more than one block for a compound
  PageState state = PageState::kIdle;
  Ino owner{0};             ///< OWNED: the inode of the mapping
  FileBlock index{0};       ///< OWNED: its block there
  uint64_t share = 0;       ///< SHARED: the count n
  uint64_t references = 0;  ///< R
  uint64_t mapped = 0;      ///< C; R - C are pins
  PageOrder order = PageOrder::k4K;

  uint64_t pins() const { return references - mapped; }
  bool operator==(const PageInfo&) const = default;
};

/// Why a page leaves a mapping.
enum class Disassociation {
  kInvalidate,  ///< the pages stay where they are (eviction, change of size, hand-over)
  kTruncate,    ///< the pages are about to leave the file: nobody may reference them (P9)
};

/// What a reference comes from.
enum class Reference { kMap, kPin };

/// How far a request over a run of pages came. `done` blocks from the start were changed; if that
/// is not all, `code` is the errno for the next page, which was not changed.
struct Progress {
  BlockCount done{0};
  int code = 0;
};

/// A page that still had references when nothing may have any (C6).
struct PageLeak {
  PageInfo page;
};

/// Owns the descriptors of a region, in DRAM only: nothing here survives the process. All
/// transitions of semantics section 1 are here and nowhere else. Thread-safe; callbacks of waiters
/// run on the caller's thread, with no lock of the table held.
///
/// Locks: one mutex for each 1 GiB of the region (striped), so that a compound of any order lies
/// under one. None is held for more than kBatch descriptors (C7).
class PageTable {
 public:
  /// Descriptors one hold of a lock may touch.
  static constexpr uint64_t kBatch = 512;
  static constexpr uint64_t kMaxReferences = (uint64_t{1} << 20) - 1;

  /// A table for `pages` pages, all IDLE. Costs address space only (C2). ENOMEM without that.
  static Result<std::unique_ptr<PageTable>> Create(BlockCount pages, PageOrder geometry);
  ~PageTable();
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  BlockCount pages() const { return pages_; }
  PageOrder geometry() const { return geometry_; }

  /// A name for the address space of `ino`. ENFILE when 2^24 are in use.
  Result<MappingId> AddMapping(Ino ino);
  /// Gives the name back. Nothing may be associated with it.
  void RemoveMapping(MappingId id);
  /// The inode of a name; Ino(0) if it names none.
  Ino InoOf(MappingId id) const;

  /// Associates the pages of `run`, whole pages of `order`, with `mapping`: IDLE -> OWNED (P2),
  /// OWNED -> SHARED(2) and SHARED(n) -> SHARED(n+1) (P3), nothing if the page is OWNED by this
  /// mapping at this index (P8, C3). A second owner of a page that is not `shared` is EUCLEAN. A
  /// page of another order is EEXIST (C4: split it or come with its order). ERANGE outside the
  /// table.
  Progress Associate(MappingId mapping, const FileRun& run, PageOrder order, bool shared);
  /// OWNED or SHARED(1) -> IDLE, SHARED(n) -> SHARED(n-1) (P4, P5), for every page in `pages`, at
  /// whatever order they have by now. Each was associated with `mapping`. Counts the canary (P9).
  void Disassociate(MappingId mapping, PfnRange pages, Disassociation why);
  /// Splits each compound that `pages` covers only partly, until none is (C4): every part carries
  /// mapping, index or share, and both counts of the whole. A 1 GiB page becomes 2 MiB pages and
  /// only those that are partly covered become single ones. Wakes the waiters of what it splits.
  void SplitAround(PfnRange pages);
  /// `pages` leave `from` and join `to` at block index = page number, keeping their references: the
  /// hand-over to quarantine, which is no truncation (P9). A page that is OWNED by `from` becomes
  /// OWNED by `to`; of a SHARED one the count stays.
  void HandOver(MappingId from, MappingId to, PfnRange pages);

  /// Adds one reference to each page of `pages`, which are whole pages, associated. EOVERFLOW at
  /// the limit, EINVAL for an IDLE page or a part of one.
  Progress Get(PfnRange pages, Reference kind);
  /// Takes them away again; neither mapping, index, share nor order changes (P10). Wakes the
  /// waiters of pages that became idle (P11) and returns those pages as runs.
  std::vector<PfnRange> Put(PfnRange pages, Reference kind);

  /// The first run of pages inside `pages` that anybody references; O(log n) of the referenced
  /// runs.
  std::optional<PfnRange> NextReferenced(PfnRange pages) const;
  /// Something that becomes ready when the page that holds `pfn` is idle, and also when it was
  /// split.
  std::shared_ptr<Waitable> WhenIdle(Pfn pfn);

  PageInfo Describe(Pfn pfn) const;
  /// Calls `fn` for the pages of `range`, neighbours of the same state merged into one PageInfo
  /// whose `pages` is the run and whose `index` is the first one's. Holds no lock in `fn`.
  void ForEachRun(PfnRange range, const std::function<void(const PageInfo&)>& fn) const;
  /// C6: every page that has a reference or is still associated, and every tail that was ever
  /// referenced. Reads only descriptors near which something was ever mapped.
  std::vector<PageLeak> FindLeaks() const;

  /// Times the canary of P9 fired. Zero unless there is a bug.
  uint64_t canary_hits() const { return canary_hits_.load(std::memory_order_relaxed); }
  /// What to do when it fires, after counting: tests put nothing here; by default debug builds
  /// abort. Called with the page, the inode that let go and the block index.
  void OnCanary(std::function<void(const PageInfo&, Ino, FileBlock)> fn);

 private:
  struct Shard;
  class IdleWait;

  PageTable(BlockCount pages, PageOrder geometry);

  BlockCount pages_;
  PageOrder geometry_;
  PageDescriptor* descriptors_ = nullptr;
  std::atomic<uint64_t> canary_hits_{0};
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace holdfast::daxcore
