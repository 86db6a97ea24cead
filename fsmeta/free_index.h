// SPDX-License-Identifier: Apache-2.0
// The free blocks of one allocation group, in DRAM, laid out for finding runs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daxcore/types.h"
#include "fsmeta/block_run.h"

namespace holdfast::fsmeta {

using daxcore::BlockCount;
using daxcore::Pfn;

/// Free blocks by address, in chunks of 2 MiB, with the longest free run of each chunk beside them:
/// a search looks at 2 bytes per chunk. Only chunks that are partly free keep their bits, so a full
/// or an empty group of 1 GiB costs about 6 KiB and the worst fragmentation 38 KiB. Not
/// thread-safe: the owner locks. Nothing of it survives a crash; it is rebuilt from the bitmap.
class FreeIndex {
 public:
  static constexpr uint64_t kChunkBlocks = 512;

  /// An index of `range` (at most kGroupBlocksMax blocks) in which nothing is free.
  explicit FreeIndex(BlockRun range);

  BlockCount free() const { return BlockCount(free_total_); }
  const BlockRun& range() const { return range_; }

  /// The blocks are free from now on. None of them may be free already (assertion).
  void Put(BlockRun run);
  /// The blocks are in use from now on. All of them must be free (assertion).
  void Take(BlockRun run);

  /// The free run that starts exactly at `start`, at most `want` long.
  std::optional<BlockRun> RunAt(Pfn start, BlockCount want) const;
  /// A free run of `want` blocks, or, where there is none, the longest one of at least `at_least`.
  /// The search starts at `goal` (at the group's start if it lies outside). Runs of 512 blocks and
  /// more start on a 2 MiB boundary while such runs exist; smaller ones go to `goal` itself if it
  /// is free, then into chunks that are partly used, and break a free chunk only if they must.
  std::optional<BlockRun> Find(BlockCount want, BlockCount at_least, Pfn goal);

  /// True if every block of `run` is free.
  bool IsFree(BlockRun run) const;
  /// Bytes of DRAM in use.
  size_t MemoryBytes() const;

 private:
  static constexpr size_t kWords = kChunkBlocks / 64;
  using Bits = std::array<uint64_t, kWords>;  // 1 = free

  struct Span {  // part of one chunk: bits [from, to)
    size_t chunk;
    uint32_t from;
    uint32_t to;
  };

  uint64_t BitOf(Pfn pfn) const { return pfn.value() - base_; }
  BlockRun RunOf(uint64_t bit, uint64_t length) const {
    return {Pfn(base_ + bit), BlockCount(length)};
  }
  size_t chunk_count() const { return free_.size(); }
  bool IsWhole(size_t chunk) const { return free_[chunk] == kChunkBlocks; }
  template <typename F>
  void ForEachSpan(BlockRun run, F&& fn) const;

  static uint16_t LengthAround(const Bits& bits, uint32_t at);
  static void Flip(Bits& bits, const Span& span, bool to_free);
  Bits BitsOf(size_t chunk) const;
  void Change(const Span& span, bool to_free);
  uint32_t PrefixOf(size_t chunk) const;
  uint64_t LengthAt(uint64_t bit, uint64_t limit) const;
  std::optional<uint32_t> FirstFit(size_t chunk, uint32_t from, uint32_t want) const;
  std::optional<BlockRun> FindSmall(uint32_t want, uint64_t goal) const;
  std::optional<BlockRun> FindAligned(uint64_t want, uint64_t at_least, size_t goal_chunk) const;
  std::optional<BlockRun> FindAnywhere(uint64_t want, uint64_t at_least) const;

  BlockRun range_;
  uint64_t base_;  // range_.start rounded down to a chunk
  uint64_t free_total_ = 0;
  uint64_t longest_bound_;                    // no free run is longer than this
  std::vector<uint16_t> free_;                // free blocks of each chunk
  std::vector<uint16_t> longest_;             // longest free run inside each chunk
  std::vector<std::unique_ptr<Bits>> mixed_;  // bits of chunks that are neither full nor free
};

}  // namespace holdfast::fsmeta
