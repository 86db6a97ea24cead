// SPDX-License-Identifier: Apache-2.0
// The quarantine file: what must be remembered over a crash of blocks that processes still touch
// (rule L11).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "daxcore/process.h"
#include "daxcore/quarantine.h"
#include "daxcore/result.h"
#include "fsmeta/block_run.h"
#include "fsmeta/record_file.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// What the file says at mount.
struct QuarantineContents {
  /// Runs of this boot, with the processes that could touch them.
  std::vector<daxcore::QuarantinedRun> runs;
  /// Processes of this boot that could touch blocks of a file.
  std::vector<std::pair<Ino, daxcore::ProcessId>> holders;
  /// Runs of an earlier boot, which nobody can touch any more: to be released.
  std::vector<BlockRun> expired;
};

/// Owns the DRAM picture of the quarantine file and changes it through transactions. Thread-safe;
/// everything that takes a transaction takes the kQuarantine lock, which also guards the picture,
/// and, to grow the file, a kGroup lock. Survives a crash: the file.
class QuarantineFile {
 public:
  QuarantineFile(Medium& medium, InodeTable& inodes, const ExtentMap& extents);

  /// Reads the file, once, before anything else: O(its blocks), which is as many as there ever were
  /// records at a time. EUCLEAN: the file is unsound. Records of this boot are those that carry the
  /// boot id of the medium's superblock.
  Result<QuarantineContents> Load();

  /// Puts on record that `runs` leave `former` in this transaction while `holders` may touch them:
  /// one owner's share of each block passes from the file to quarantine (neither bitmap nor
  /// refcounts change). ENOSPC: the file cannot grow, although it may use the reserve.
  Result<void> AddRuns(Transaction& tx, std::span<const BlockRun> runs, Ino former,
                       std::span<const daxcore::ProcessId> holders);
  /// Forgets one record of each page; of several (the page was shared) one that no living process
  /// stands behind, then the one that came last. Adds to `owned` what was on record, in pieces. One
  /// owner's share of these blocks is the caller's now, to be released in the same transaction.
  Result<void> RemoveRuns(Transaction& tx, std::span<const daxcore::PfnRange> pages,
                          std::vector<BlockRun>* owned);

  /// `process` may touch blocks of `ino`, or no longer may. Nothing if that is known already.
  Result<void> AddHolder(Transaction& tx, Ino ino, const daxcore::ProcessId& process);
  Result<void> RemoveHolder(Transaction& tx, Ino ino, const daxcore::ProcessId& process);

  /// Forgets up to `most` holders of earlier boots; false when there are none left.
  Result<bool> ForgetExpiredHolders(Transaction& tx, size_t most);

 private:
  struct RunKey {
    Pfn start;
    uint64_t entry;  // in the file
    auto operator<=>(const RunKey&) const = default;
  };
  struct RunValue {
    BlockCount length;
    uint64_t batch;
  };
  using Runs = absl::btree_map<RunKey, RunValue>;
  struct Batch {
    uint64_t runs = 0;              // records of its runs
    std::vector<uint64_t> holders;  // entries of its holders
    std::vector<daxcore::ProcessId> processes;
  };
  using HolderKey = std::pair<Ino, daxcore::ProcessId>;
  class Loading;

  QuarantineRecord NewRecord(QuarantineKind kind, Ino ino) const;
  Result<void> Lock(Transaction& tx);
  Result<uint64_t> Write(Transaction& tx, const QuarantineRecord& record);
  Result<QuarantineRecord*> Edit(Transaction& tx, uint64_t entry);
  Result<void> Erase(Transaction& tx, uint64_t entry);

  void Remember(Transaction& tx, RunKey key, RunValue value);
  void Forget(Transaction& tx, Runs::iterator run);
  Runs::iterator EndingAt(Pfn page);
  bool IsHeld(uint64_t batch) const;
  Result<void> Cut(Transaction& tx, Runs::iterator run, BlockRun part);
  Result<void> EndBatch(Transaction& tx, uint64_t batch);

  Medium& medium_;
  const Allocator& allocator_;
  RecordFile file_;
  // The picture. Guarded by the kQuarantine lock of the transaction at work; what it changes is
  // undone if it aborts.
  Runs runs_;
  absl::flat_hash_map<uint64_t, Batch> batches_;
  absl::flat_hash_map<HolderKey, uint64_t> holders_;  // entries
  std::vector<uint64_t> expired_holders_;             // entries
};

}  // namespace holdfast::fsmeta
