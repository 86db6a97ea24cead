// SPDX-License-Identifier: Apache-2.0
// Pages that left their file while somebody could still touch them (rules L11, L14).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/mapping.h"
#include "daxcore/page_table.h"
#include "daxcore/process.h"
#include "daxcore/ranges.h"
#include "daxcore/result.h"
#include "daxcore/timer.h"

namespace holdfast::daxcore {

/// What the filesystem keeps on the medium for daxcore, so that L11 survives a crash of the daemon.
/// Implemented by the filesystem; every call runs a transaction and may be made from any thread
/// that ends a reference (with at most an inode's entry lock held); none may wait for clients.
/// Holder records count only in the boot that wrote them.
class QuarantineStore {
 public:
  virtual ~QuarantineStore() = default;
  /// The last reference to these quarantined pages is gone: forget the records and release one
  /// ownership of each page (free it, if that was the last).
  virtual void Release(std::span<const PfnRange> pages) = 0;
  /// From now on `process` may touch pages of `ino`. Durable when it returns.
  virtual Result<void> AddHolder(Ino ino, const ProcessId& process) = 0;
  /// It no longer may.
  virtual void RemoveHolder(Ino ino, const ProcessId& process) = 0;
};

/// A quarantined run, for people.
struct QuarantinedRun {
  PfnRange pages;
  Ino former_ino{0};
  std::vector<ProcessId> holders;
};

/// Owns the set of quarantined pages: they belong to no file, count as allocated, and go back
/// through QuarantineStore::Release when nothing references them and every process that must be
/// dead is. Thread-safe. The set itself is on the medium (fsmeta); this is its live half.
class Quarantine {
 public:
  /// Names one group of pages that came in together.
  using BatchId = uint64_t;

  /// `name` is the mapping under which descriptors show quarantined pages. `store` may be null.
  Quarantine(PageTable& table, MappingId name, Timer& timer, QuarantineStore* store);
  ~Quarantine();
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  /// Begins a batch of pages that leave `former_ino` together. `must_die`: processes whose
  /// references this daemon does not see (they held them before it started).
  BatchId NewBatch(Ino former_ino, std::vector<ProcessId> holders, std::vector<ProcessId> must_die);
  /// One bounded step of taking `run` into the batch, after its removal has committed: what of it
  /// is mapped comes by hand-over from `former` (null: nothing is). Returns the blocks done. The
  /// entry lock of `former` is held.
  BlockCount Admit(BatchId id, Mapping* former, const FileRun& run);
  /// The batch is complete: releases what became idle meanwhile. No lock may be held.
  void Settle(BatchId id);
  /// A record of an earlier daemon of this boot, at mount: kept until all of its holders are dead.
  /// If they are: false, and nothing is done; the caller releases the pages itself.
  bool Restore(const QuarantinedRun& run);
  /// These pages just became idle (a Put's result): releases what is quarantined of them. O(1)
  /// while the quarantine is empty. No lock may be held.
  void OnIdle(std::span<const PfnRange> pages);

  BlockCount blocks() const;
  std::vector<QuarantinedRun> List() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::daxcore
