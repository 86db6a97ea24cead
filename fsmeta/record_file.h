// SPDX-License-Identifier: Apache-2.0
// A file of the filesystem's own that holds unordered entries of one size: which are free, and how
// it grows.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/result.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/format.h"
#include "fsmeta/inode_table.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// What distinguishes one such file from another.
struct RecordFileKind {
  Ino ino;
  ObjectType type;           ///< of its blocks, whose owner is `ino`
  uint32_t per_block;        ///< entries, at most kMostRecordsPerBlock
  ResourceClass file_lock;   ///< held to grow
  ResourceClass block_lock;  ///< held to change a block; the file's own lock if they are the same
};
inline constexpr uint32_t kMostRecordsPerBlock = 512;

/// Owns the DRAM list of free entries and of where the blocks are, both read once by `Load`.
/// Thread-safe. An entry taken by a transaction is out of reach for others at once and free again
/// if it aborts; one dropped is free after the commit. The file never shrinks; it may grow into the
/// reserve, so removal works on a full filesystem. Survives a crash: the file.
class RecordFile {
 public:
  RecordFile(Medium& medium, InodeTable& inodes, const ExtentMap& extents,
             const RecordFileKind& kind);

  /// Calls `visit(first entry, block)` for each block; it calls `MarkUsed` for what is in use.
  /// Once, before anything else. EUCLEAN: the file is unsound.
  using Visit = absl::FunctionRef<Result<void>(uint64_t first, const void* block)>;
  Result<void> Load(Visit visit);
  void MarkUsed(uint64_t entry);

  struct Entry {
    uint64_t index;
    void* block;  ///< the transaction's copy of the block that holds it
  };
  /// Takes a free entry, in block number `block` if there is one there, and locks its block. The
  /// file grows while it has no such block and space is plentiful, or if nothing is free. ENOSPC.
  Result<Entry> Take(Transaction& tx, uint64_t block);
  /// The block of an entry to change; locks it. EUCLEAN: there is no such entry.
  Result<void*> Edit(Transaction& tx, uint64_t entry);
  /// The entry, which the caller has cleared, is free after the commit.
  void Drop(Transaction& tx, uint64_t entry);

  uint64_t blocks() const;

 private:
  struct Block {
    Pfn place;
    std::bitset<kMostRecordsPerBlock> used;
    uint32_t free = 0;
    const Transaction* adding = nullptr;  // the one that adds it, until its commit
  };
  static constexpr uint64_t kNone = ~uint64_t{0};

  ObjectId IdOf(Pfn place) const;
  Result<uint64_t> CheckedBlocks(const InodeSlot& slot) const;
  Result<std::vector<Pfn>> FindBlocks();
  uint64_t TakeFree(const Transaction& tx, uint64_t block);
  void SetFree(uint64_t entry);
  bool WorthGrowing(uint64_t block);
  Result<void> Grow(Transaction& tx);
  void AddBlock(Transaction& tx, Pfn place);

  Medium& medium_;
  InodeTable& inodes_;
  const ExtentMap& extents_;
  const RecordFileKind kind_;
  mutable absl::Mutex mutex_;
  std::vector<Block> blocks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::fsmeta
