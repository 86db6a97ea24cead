// SPDX-License-Identifier: Apache-2.0
// A filesystem as the next mount would find it, read without changing it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "daxcore/result.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// The bytes of a region with the live records of its journal laid over them in DRAM. Never writes
/// to the region; memory is used only for blocks that a record changes. Pointers stay valid as long
/// as the image. One thread.
class CheckImage : public MetaReader {
 public:
  /// `media` outlives the image and is at least as large as the filesystem.
  CheckImage(std::span<const std::byte> media, const Superblock& superblock)
      : media_(media), superblock_(superblock) {}

  /// Lays a live record over the region.
  void Apply(const LiveRecord& record);

  /// From now on an object that is sound but for reserved words or an impossible sequence number is
  /// put right in DRAM as it is loaded.
  void set_mending(bool on) { mending_ = on; }
  /// How many were.
  uint64_t mended() const { return mended_; }

  /// The block's copy in DRAM, to change; every later Load sees the change. For repair.
  std::byte* Edit(Pfn block);
  /// Calls `fn` with each block that has a copy, in order of their places.
  void ForEachEdited(absl::FunctionRef<void(Pfn, const std::byte*)> fn) const;
  /// The bytes of a block, whatever they are. `block` < block_count.
  const std::byte* BlockAt(uint64_t block) const;

  /// EUCLEAN: outside the filesystem, or unsound (identity, checksum, reserved words, a sequence of
  /// the future).
  Result<const void*> Load(const ObjectId& id) override;

  const Superblock& superblock() const { return superblock_; }
  std::span<const std::byte> media() const { return media_; }
  bool Contains(uint64_t block, uint64_t blocks) const {
    return block < superblock_.block_count && blocks <= superblock_.block_count - block;
  }
  /// Why these blocks cannot be part of a file, nor have been; null if they can.
  const char* FaultInRun(uint64_t block, uint64_t blocks) const;

 private:
  Result<void> CheckHeader(const ObjectHeader& header, const ObjectId& id) const;

  std::span<const std::byte> media_;
  const Superblock superblock_;
  bool mending_ = false;
  uint64_t mended_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<std::byte[]>> patched_;  // by block
};

}  // namespace holdfast::fsmeta
