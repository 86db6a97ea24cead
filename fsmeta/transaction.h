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
#include "fsmeta/transaction_limits.h"

namespace holdfast::fsmeta {

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

  /// A DRAM copy of an existing object to change in place. The same pointer each time. EUCLEAN:
  /// unsound, or this transaction already knows the place as something else.
  Result<void*> Edit(const ObjectId& id);
  template <typename T>
  Result<T*> EditBlock(Pfn pfn, ObjectType type, uint64_t owner) {
    static_assert(sizeof(T) == kMetadataBlock);
    HOLDFAST_ASSIGN(void* p, Edit({type, ByteOffset(pfn), kMetadataBlock, owner}));
    return static_cast<T*>(p);
  }
  /// A zeroed DRAM copy of a metadata object on blocks this transaction allocated (its header is
  /// filled in at commit, as for edits). It is written
  /// without a record: nothing that is committed refers to it yet. Should the place turn out to
  /// hold something this transaction has edited (a bitmap that lies), Commit fails with EUCLEAN.
  void* Create(const ObjectId& id);
  template <typename T>
  T* CreateBlock(Pfn pfn, ObjectType type, uint64_t owner) {
    static_assert(sizeof(T) == kMetadataBlock);
    return static_cast<T*>(Create({type, ByteOffset(pfn), kMetadataBlock, owner}));
  }
  /// A DRAM copy of a block of file data, to change some of its bytes together with the metadata:
  /// what differs at the commit is journaled. Nobody else may store to the block until then, nor
  /// this thread in any other way; the caller's locks see to that. EUCLEAN: outside the filesystem,
  /// or this transaction knows the block as metadata.
  Result<std::byte*> EditData(Pfn pfn);
  /// Forgets the edits of a metadata block that this transaction frees, and after the commit what
  /// was known of it.
  void Discard(Pfn pfn);

  /// Takes a resource's lock until the end of the transaction; at once if it is held by this one.
  /// Locks may be asked for in any order: where waiting could deadlock, the answer is ERESTART
  /// and TransactionRunner starts again with the needed locks taken in order.
  Result<void> Lock(ResourceKey key);

  /// Runs after a successful commit / after an abort (last one first); before the locks are
  /// dropped.
  void OnCommit(std::move_only_function<void()> fn) { on_commit_.push_back(std::move(fn)); }
  void OnAbort(std::move_only_function<void()> fn) { on_abort_.push_back(std::move(fn)); }

  /// Cache lines the record would hold now. Costs a walk over the edits.
  uint64_t ChangedLines() const;
  /// True while the record is sure to fit a lane with room for `more_lines`. Cheap while there are
  /// few edits.
  bool FitsLane(uint64_t more_lines) const;

  /// Makes everything durable and atomic, once. ENOSPC when the record fits neither a lane nor a
  /// spill, EIO after a shutdown or failed memory, EROFS on a read-only medium; then nothing was
  /// changed and the transaction is aborted. EIO with `committed()`: memory failed while the
  /// changes were put in place; the filesystem is shut down, the record counts at the next mount.
  /// One without edits only makes durable what this thread wrote before.
  Result<void> Commit();
  bool committed() const { return committed_; }

 private:
  friend class TransactionRunner;
  struct Copy {
    ObjectId id;
    std::unique_ptr<std::byte[]> bytes;
    bool created = false;
    bool is_data = false;  ///< file data: has no header
  };
  /// The lines that differ from the medium, ascending, and where their new bytes are.
  struct Changes {
    std::vector<uint64_t> lines;
    std::vector<const std::byte*> contents;
  };
  Result<void> CheckCommittable(bool changes_anything) const;
  Changes SealAndCollect(uint64_t sequence);
  void AddChanges(const Copy& copy, Changes* changes) const;
  Result<void> Write(const JournalRecord& record);
  Result<void> WriteCreated(uint64_t sequence);
  Result<void> StoreCreated(const Copy& copy);
  void Apply(const JournalRecord& record);
  void Finish(bool committed);

  Medium& medium_;
  Journal& journal_;
  HeldLocks held_;
  absl::flat_hash_map<uint64_t, Copy> copies_;           // by byte offset
  std::vector<std::unique_ptr<std::byte[]>> misplaced_;  // created over an edited object
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
        if (after_commit_) after_commit_();
        return result;
      }
      if (result.error().code != ERESTART) return result;
      wanted = tx.held_.WantedInOrder();
    }
  }

  Medium& medium() const { return medium_; }
  Journal& journal() const { return journal_; }
  /// For tests: called after every commit, without resource locks, on the committing thread (a
  /// filesystem check after each transaction). Set it before the first transaction.
  void set_after_commit(std::function<void()> fn) { after_commit_ = std::move(fn); }

 private:
  Medium& medium_;
  Journal& journal_;
  ResourceLocks locks_;
  std::function<void()> after_commit_;
};

}  // namespace holdfast::fsmeta
