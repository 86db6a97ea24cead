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
#include "absl/synchronization/mutex.h"
#include "daxcore/descriptor_array.h"
#include "daxcore/page_order.h"
#include "daxcore/ranges.h"
#include "daxcore/result.h"
#include "daxcore/wake_once.h"

namespace holdfast::daxcore {

/// Names one address space in descriptors. 0 is "none".
using MappingId = Quantity<struct MappingIdTag, uint32_t>;

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

  BlockCount pages() const { return descriptors_->pages(); }
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
  /// OWNED or SHARED(1) -> IDLE, SHARED(n) -> SHARED(n-1) (P4, P5), for every page of `run`, at
  /// whatever order they have by now; whole pages. Each was associated with `mapping`. Counts the
  /// canary (P9); a page that another mapping owns is left alone.
  void Disassociate(MappingId mapping, const FileRun& run, Disassociation why);
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
  /// Fires `wake` once, when the page that holds `pfn` is idle, or was split. False, and nothing
  /// done, if it is idle now.
  bool WakeWhenIdle(Pfn pfn, std::shared_ptr<WakeOnce> wake);

  PageInfo Describe(Pfn pfn) const;
  /// Calls `fn` for the pages of `range`, neighbours of the same state merged into one PageInfo
  /// whose `pages` is the run and whose `index` is the first one's. Holds no lock in `fn`.
  void ForEachRun(PfnRange range, const std::function<void(const PageInfo&)>& fn) const;
  /// C6: every page that is still associated or referenced, of any order, a page under a compound
  /// too. Empty at unmount, unless something leaks. Reads only descriptors near which something was
  /// mapped.
  std::vector<PageInfo> FindLeaks() const;

  /// Times the canary of P9 fired. Zero unless there is a bug.
  uint64_t canary_hits() const { return canary_hits_.load(std::memory_order_relaxed); }
  /// Told of each, after counting, with the page, the inode that let go and its block index. If it
  /// answers false, as when there is none, debug builds abort. Set once, before the first mapping.
  using CanaryHook = std::function<bool(const PageInfo&, Ino, FileBlock)>;
  void SetCanaryHook(CanaryHook hook) { canary_hook_ = std::move(hook); }

 private:
  struct Shard;
  struct Names;
  struct CanaryHit;

  PageTable(std::unique_ptr<DescriptorArray> descriptors, PageOrder geometry);
  Shard& ShardOf(Pfn pfn) const;
  bool Contains(PfnRange pages) const;
  PageInfo Unpack(PageKey page) const;
  PageInfo Glimpse(Pfn at, Pfn limit) const;
  template <typename Batch>
  void ForBatches(PfnRange pages, Batch batch) const;
  template <typename Visit>
  Pfn ForPages(PfnRange pages, Visit visit) const;
  int AssociateOne(MappingId mapping, PageKey page, FileBlock index, bool shared);
  bool DisassociateOne(MappingId mapping, PageKey page, Disassociation why);
  void SplitAt(Pfn boundary);
  void Report(const std::vector<CanaryHit>& hits);

  const PageOrder geometry_;
  const std::unique_ptr<DescriptorArray> descriptors_;
  const std::unique_ptr<Shard[]> shards_;
  const std::unique_ptr<Names> names_;
  std::atomic<uint64_t> canary_hits_{0};
  CanaryHook canary_hook_;
};

}  // namespace holdfast::daxcore
