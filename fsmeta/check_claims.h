// SPDX-License-Identifier: Apache-2.0
// Who says that a block is his: the checker's own picture of space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "daxcore/types.h"

namespace holdfast::fsmeta {

enum class ClaimKind : uint8_t {
  kFileData,    ///< an extent of a file; may be claimed by several
  kSystemData,  ///< an extent of a directory or of a file of the filesystem's own
  kMetadata,    ///< tree nodes, attributes, headers, lanes: no extent, no reverse-map record
  kQuarantine,  ///< left its file while busy
};

/// A run of blocks of one group, and its owner. `ino` and `file_block` are 0 for kMetadata of no
/// inode.
struct Claim {
  uint64_t start;
  uint64_t ino;
  uint64_t file_block;
  uint32_t length;
  uint32_t flags;  ///< kExtent*
  ClaimKind kind;

  uint64_t end() const { return start + length; }
  /// Quarantine holds a share of what a clone of the file still owns.
  bool may_share() const { return kind == ClaimKind::kFileData || kind == ClaimKind::kQuarantine; }
  bool is_extent() const { return kind == ClaimKind::kFileData || kind == ClaimKind::kSystemData; }
};

/// A stretch of blocks with the same owners.
struct Coverage {
  uint64_t start;
  uint64_t length;
  uint32_t owners;
  bool may_share;  ///< all of them are owners that may have others beside them
  std::span<const Claim* const> claims;  ///< the owners, in no order
};

/// All claims. Costs O(claims) of memory, nothing per block. One thread.
class Claims {
 public:
  void Add(const Claim& claim) { claims_.push_back(claim); }
  /// Claims one block of metadata. False if it was claimed so before: whoever follows pointers
  /// stops there.
  bool AddBlock(daxcore::Pfn block, uint64_t ino);
  /// Notes that a block's contents are being looked at. False if they were before.
  bool Visit(daxcore::Pfn block) { return visited_.insert(block.value()).second; }

  /// Every claim, and every block that was looked at, in no order.
  std::span<const Claim> all() const { return claims_; }
  const absl::flat_hash_set<uint64_t>& visited() const { return visited_; }

  /// To be called once, when all claims are in.
  void Sort();
  /// In order of start, inode, file block: the order of the reverse map. After Sort.
  std::span<const Claim> InBlocks(uint64_t from, uint64_t to) const;
  /// Calls `fn` with each stretch of [from, to) in order, unclaimed ones (0 owners) too. After
  /// Sort.
  void ForEachCoverage(uint64_t from, uint64_t to,
                       absl::FunctionRef<void(const Coverage&)> fn) const;

 private:
  std::vector<Claim> claims_;
  absl::flat_hash_set<uint64_t> visited_;
};

}  // namespace holdfast::fsmeta
