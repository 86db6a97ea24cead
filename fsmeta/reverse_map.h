// SPDX-License-Identifier: Apache-2.0
// The reverse map: block -> (inode, file block, length), one tree per group (rule F2).
#pragma once

#include <vector>

#include "daxcore/result.h"
#include "fsmeta/allocator.h"
#include "fsmeta/owner.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Records stand one to one with the extents of all inodes: whoever changes an extent changes its
/// record in the same transaction (ExtentMap does). Records of different owners may overlap. Exact
/// changes are O(log n). Stateless and thread-safe; takes kGroup locks through the transaction
/// (ERESTART). EUCLEAN: the medium disagrees with what the caller knows.
class ReverseMap {
 public:
  explicit ReverseMap(Allocator& allocator) : allocator_(allocator) {}

  Result<void> Insert(Transaction& tx, const Owner& owner, AllocFor purpose);
  /// Removes exactly this record.
  Result<void> Erase(Transaction& tx, const Owner& owner, AllocFor purpose);
  /// Changes length and flags of the record with the same block, inode and file block.
  Result<void> Update(Transaction& tx, const Owner& owner);
  /// Puts `now` in the place of `was`; both in one group.
  Result<void> Replace(Transaction& tx, const Owner& was, const Owner& now, AllocFor purpose);
  /// Every owner of any block of `run`. A group's records are not nested, so this reads the group's
  /// tree from its start up to the run: O(records of the group). Rare (media failure, `holdfast
  /// owner`); the caller holds the group's lock or accepts a snapshot.
  Result<std::vector<Owner>> Owners(MetaReader& reader, BlockRun run) const;

 private:
  Allocator& allocator_;
};

}  // namespace holdfast::fsmeta
