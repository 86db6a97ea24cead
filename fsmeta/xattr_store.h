// SPDX-License-Identifier: Apache-2.0
// The extended attributes of an inode slot: a chain of attribute blocks, and chains of long values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/transaction.h"
#include "fsmeta/xattr_block.h"

namespace holdfast::fsmeta {

inline constexpr size_t kMaxXattrValueBytes = 65536;
/// Of all names of one inode, each with a NUL: what listxattr(2) can hand out.
inline constexpr size_t kMaxXattrListBytes = 65536;

/// Reads and changes attributes; knows nothing of namespaces and permissions. Stateless; the caller
/// holds the inode's metadata lock (shared to read, exclusive to change) and passes the slot: the
/// medium's, or the transaction's copy. A change is all in the caller's transaction. Chains that do
/// not end, or say they hold more than can be, are EUCLEAN.
class XattrStore {
 public:
  explicit XattrStore(Allocator& allocator) : allocator_(allocator) {}

  Result<std::optional<std::string>> Read(MetaReader& reader, const InodeSlot& slot,
                                          std::string_view name) const;
  Result<bool> Contains(MetaReader& reader, const InodeSlot& slot, std::string_view name) const;
  /// Calls `fn` with each name.
  Result<void> ForEachName(MetaReader& reader, const InodeSlot& slot,
                           const std::function<void(std::string_view)>& fn) const;

  /// Creates or replaces. ENOSPC. Name and value are within their limits.
  Result<void> Write(Transaction& tx, InodeSlot* slot, std::string_view name,
                     std::string_view value) const;
  /// Removes; false if it is not there. Needs no space.
  Result<bool> Erase(Transaction& tx, InodeSlot* slot, std::string_view name) const;
  /// Frees all attributes, or as many as fit the transaction but at least one: true when none is
  /// left.
  Result<bool> FreeSome(Transaction& tx, InodeSlot* slot) const;

 private:
  // An attribute found: its block, the one before it in the chain (0: it is the first).
  struct Location {
    Pfn block;
    Pfn before;
    XattrRecord record;
  };
  Result<std::vector<Pfn>> BlocksOf(MetaReader& reader, const InodeSlot& slot) const;
  Result<std::optional<Location>> Find(MetaReader& reader, const InodeSlot& slot,
                                       std::string_view name) const;
  Result<Pfn> BlockWithRoom(Transaction& tx, InodeSlot* slot, uint32_t bytes, Pfn first) const;
  Result<Pfn> AddBlock(Transaction& tx, InodeSlot* slot) const;
  Result<void> FreeIfEmpty(Transaction& tx, InodeSlot* slot, Pfn block, Pfn before) const;
  Result<void> FreeBlock(Transaction& tx, Pfn block) const;

  Result<std::vector<Pfn>> ChainOf(MetaReader& reader, uint64_t owner,
                                   const XattrRecord& record) const;
  Result<std::string> ReadValue(MetaReader& reader, uint64_t owner,
                                const XattrRecord& record) const;
  Result<Pfn> WriteValue(Transaction& tx, const InodeSlot& slot, std::string_view value) const;
  Result<void> FreeValue(Transaction& tx, uint64_t owner, const XattrRecord& record) const;

  Allocator& allocator_;
};

}  // namespace holdfast::fsmeta
