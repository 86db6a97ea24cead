// SPDX-License-Identifier: Apache-2.0
// The parts of a mounted volume, put together once; what the operations work with.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "daxcore/layout.h"
#include "daxcore/page_order.h"
#include "daxcore/page_table.h"
#include "daxcore/region.h"
#include "daxcore/timer.h"
#include "fsmeta/allocator.h"
#include "fsmeta/attributes.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/inode_table.h"
#include "fsmeta/journal.h"
#include "fsmeta/lazy_times.h"
#include "fsmeta/live_inodes.h"
#include "fsmeta/medium.h"
#include "fsmeta/operation_gate.h"
#include "fsmeta/orphans.h"
#include "fsmeta/quarantine_file.h"
#include "fsmeta/quarantine_store.h"
#include "fsmeta/refcounts.h"
#include "fsmeta/reverse_map.h"
#include "fsmeta/transaction.h"

namespace holdfast::daxcore {
class FailureHolder;
class MediaFailure;
}  // namespace holdfast::daxcore

namespace holdfast::fsmeta {

enum class DataMode {
  kInPlace,  ///< overwrite written, unshared blocks where they are
  kCow,      ///< never in place: each write is atomic as well
};

struct MountOptions {
  bool read_only = false;
  DataMode data = DataMode::kInPlace;
  AtimeMode atime = AtimeMode::kRelative;
  daxcore::LayoutPolicy layout = {};        ///< busy policy, timeouts, limits
  daxcore::LayoutEvents* events = nullptr;  ///< who tells clients of recalls; outlives the volume
  /// For tests: mounts as if in that boot. Else in this one.
  std::optional<std::array<uint8_t, 16>> boot_id = std::nullopt;
};

class FailureWatch;

/// Owns every part of a mounted volume, in the order they depend on each other. Parts are
/// thread-safe by themselves; what may be combined under which lock is in LOCKING.md.
class Volume {
 public:
  /// Verifies the superblock, replays the journal, wires the parts, takes over what processes of
  /// this boot hold since before the last crash: O(journal + quarantine). Errors, each with a line
  /// for the user: as ReadSuperblock; EROFS: features that may not be written, or a region that may
  /// not be written but needs its journal replayed; EUCLEAN; EIO: memory has failed under metadata.
  static Result<std::unique_ptr<Volume>> Open(std::unique_ptr<Region> region,
                                              const MountOptions& options);
  ~Volume();

  Region& region() { return *region_; }
  daxcore::MediaFailure& failure() { return *failure_; }
  /// Every operation that changes anything, or gives anybody a lease or pin, is inside meanwhile.
  OperationGate& gate() { return gate_; }
  Medium& medium() { return *medium_; }
  TransactionRunner& transactions() { return *runner_; }
  Allocator& allocator() { return *allocator_; }
  Refcounts& refcounts() { return *refcounts_; }
  ReverseMap& reverse_map() { return *reverse_map_; }
  ExtentMap& extents() { return *extents_; }
  InodeTable& inodes() { return *inodes_; }
  Orphans& orphans() { return *orphans_; }
  LiveInodes& live() { return *live_; }
  daxcore::PageTable& pages() { return *pages_; }
  daxcore::LayoutManager& layouts() { return *layouts_; }
  QuarantineFile& quarantine_file() { return *quarantine_file_; }
  SpaceTools space() { return {*allocator_, *refcounts_, *reverse_map_}; }
  const MountOptions& options() const { return options_; }
  /// What reading does to access times here: nothing at all where nothing can be written.
  AtimeMode atime_mode() const { return medium_->read_only() ? AtimeMode::kNever : options_.atime; }

  /// EROFS on a read-only mount, EIO after a shutdown: the first line of every change.
  Result<void> CheckWritable() const;
  /// The inodes that the last mount left to be finished, once.
  std::vector<Ino> TakePendingOrphans() { return std::exchange(pending_orphans_, {}); }

 private:
  Volume() = default;
  Result<void> OpenAll();
  Result<void> OpenMedium();
  Result<void> OpenParts();
  Result<void> OpenLayouts();
  Result<void> TakeOverHolders();
  Result<void> WatchForFailures();
  daxcore::PageOrder Geometry() const;

  MountOptions options_;
  std::unique_ptr<Region> region_;
  std::unique_ptr<daxcore::MediaFailure> failure_;
  OperationGate gate_;
  std::unique_ptr<Medium> medium_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<TransactionRunner> runner_;
  std::unique_ptr<Allocator> allocator_;
  std::unique_ptr<Refcounts> refcounts_;
  std::unique_ptr<ReverseMap> reverse_map_;
  std::unique_ptr<ExtentMap> extents_;
  std::unique_ptr<InodeTable> inodes_;
  std::unique_ptr<Orphans> orphans_;
  std::vector<Ino> pending_orphans_;
  std::unique_ptr<QuarantineFile> quarantine_file_;
  std::unique_ptr<FileQuarantineStore> quarantine_store_;
  std::unique_ptr<daxcore::PageTable> pages_;
  std::unique_ptr<daxcore::Timer> timer_;
  std::unique_ptr<daxcore::LayoutManager> layouts_;
  std::unique_ptr<LiveInodes> live_;
  std::unique_ptr<daxcore::FailureHolder> failure_holder_;
  std::unique_ptr<FailureWatch> failure_watch_;
};

}  // namespace holdfast::fsmeta
