// SPDX-License-Identifier: Apache-2.0
// Transactions: DRAM copies of metadata, committed as one redo record, all or nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/journal.h"
#include "fsmeta/medium.h"
#include "fsmeta/resource_locks.h"

namespace holdfast::fsmeta {

/// The largest record a single transaction may need, in cache lines, by kind of operation. A lane
/// holds kLaneLines; an operation that could need more is a chain of transactions or spills.
struct TransactionLimits {
  static constexpr uint64_t kMaxSpillLines = uint64_t{1} << 22;  // 256 MiB of changed lines
};

/// One atomic metadata change. It belongs to one thread. Nothing is stored to existing metadata
/// before Commit; dropping the object aborts, which costs nothing on the medium. Resource locks
/// taken through it are held until it ends, after the record is retired, so records that are live
/// at the same time never overlap and their replay order does not matter.
///
/// Written by the caller before Commit and made durable by Commit's first drain, before the record
/// can become valid: file data (CopyNt/ZeroNt) and new metadata blocks (`Create`).
class Transaction : public MetaReader {
 public:
  Transaction(Medium& medium, Journal& journal, ResourceLocks& locks);
  ~Transaction() override;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Medium& medium() const { return medium_; }

  /// As Medium::Load, but sees this transaction's own edits.
  Result<const void*> Load(const ObjectId& id) override;

  /// A DRAM copy of an existing object to change in place. The same pointer each time.
  Result<void*> Edit(const ObjectId& id);
  template <typename T>
  Result<T*> EditBlock(Pfn pfn, ObjectType type, uint64_t owner) {
    static_assert(sizeof(T) == kMetadataBlock);
    HOLDFAST_ASSIGN(void* p, Edit({type, ByteOffset(pfn), kMetadataBlock, owner}));
    return static_cast<T*>(p);
  }
  /// A zeroed DRAM copy of a metadata object on blocks this transaction allocated. It is written
  /// without a record: nothing that is committed refers to it yet.
  void* Create(const ObjectId& id);
  template <typename T>
  T* CreateBlock(Pfn pfn, ObjectType type, uint64_t owner) {
    static_assert(sizeof(T) == kMetadataBlock);
    return static_cast<T*>(Create({type, ByteOffset(pfn), kMetadataBlock, owner}));
  }
  /// Forgets the edits of a block that this transaction frees.
  void Discard(Pfn pfn);

  /// Takes a resource's lock until the end of the transaction; at once if it is held by this one.
  /// Locks may be asked for in any order: where waiting could deadlock, the answer is ERESTART
  /// and RunTransaction starts again with the needed locks taken in order.
  Result<void> Lock(ResourceKey key);

  /// Runs after a successful commit, before the locks are dropped / after an abort.
  void OnCommit(std::move_only_function<void()> fn) { on_commit_.push_back(std::move(fn)); }
  void OnAbort(std::move_only_function<void()> fn) { on_abort_.push_back(std::move(fn)); }

  /// Cache lines the record would hold now (an upper bound; costs a walk over the edits).
  uint64_t ChangedLines() const;
  /// True while the record is sure to fit a lane with room for `more_lines`.
  bool FitsLane(uint64_t more_lines) const;

  /// Makes everything durable and atomic. ENOSPC when the record fits neither a lane nor a spill
  /// (nothing was changed), EIO after a shutdown, EROFS on a read-only medium.
  Result<void> Commit();
  bool committed() const { return committed_; }

 private:
  friend class TransactionRunner;
  struct Copy {
    ObjectId id;
    std::unique_ptr<std::byte[]> bytes;
    bool created = false;
  };
  std::vector<uint64_t> SealAndCollectLines(uint64_t sequence);
  void WriteCreated();
  void Apply(const JournalRecord& record);
  void Finish(bool committed);
  const std::byte* LineBytes(uint64_t line) const;

  Medium& medium_;
  Journal& journal_;
  HeldLocks held_;
  absl::flat_hash_map<uint64_t, Copy> copies_;  // by byte offset
  std::vector<std::move_only_function<void()>> on_commit_;
  std::vector<std::move_only_function<void()>> on_abort_;
  bool committed_ = false;
  bool finished_ = false;
};

/// Runs `body(tx)` and commits; where it asks for a restart (lock order), runs it again from the
/// start. `body` changes DRAM only through OnCommit / OnAbort. Whatever `body` fails with is
/// returned and nothing was changed.
class TransactionRunner {
 public:
  TransactionRunner(Medium& medium, Journal& journal) : medium_(medium), journal_(journal) {}

  template <typename F>
  auto Run(F&& body) -> decltype(body(std::declval<Transaction&>())) {
    absl::InlinedVector<ResourceKey, 8> wanted;
    for (;;) {
      Transaction tx(medium_, journal_, locks_);
      HOLDFAST_TRY(tx.held_.LockAll(wanted));
      auto result = body(tx);
      if (result) {
        HOLDFAST_TRY(tx.Commit());
        return result;
      }
      if (result.error().code != ERESTART) return result;
      wanted = tx.held_.WantedInOrder();
    }
  }

  Medium& medium() const { return medium_; }
  Journal& journal() const { return journal_; }

 private:
  Medium& medium_;
  Journal& journal_;
  ResourceLocks locks_;
};

}  // namespace holdfast::fsmeta
