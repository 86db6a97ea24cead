// SPDX-License-Identifier: Apache-2.0
// Reading and changing runs of bits of a group's bitmap.
#include "fsmeta/group_bitmap.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {

// Calls fn for each word that `run` touches, until it answers false or fails.
template <typename F>
Result<void> GroupBitmap::ForEachPiece(BlockRun run, F&& fn) const {
  assert(run.start >= layout_.start && run.end() <= layout_.start + layout_.blocks);
  const uint64_t end = (run.end() - layout_.start).value();
  for (uint64_t bit = (run.start - layout_.start).value(); bit < end;) {
    const uint64_t low = bit % 64;
    const uint64_t count = std::min(end - bit, 64 - low);
    const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    HOLDFAST_ASSIGN(const bool go_on, fn(Piece{bit / kBitsPerBitmapBlock,
                                               bit % kBitsPerBitmapBlock / 64, ones << low}));
    if (!go_on) break;
    bit += count;
  }
  return {};
}

Result<bool> GroupBitmap::AllBits(MetaReader& reader, BlockRun run, bool set) const {
  const BitmapBlock* block = nullptr;
  uint64_t loaded = 0;
  bool all = true;
  HOLDFAST_TRY(ForEachPiece(run, [&](const Piece& piece) -> Result<bool> {
    if (block == nullptr || loaded != piece.block) {
      HOLDFAST_ASSIGN(block,
                      reader.Block<BitmapBlock>(PfnOf(piece.block), ObjectType::kBitmap, group_));
      loaded = piece.block;
    }
    const uint64_t bits = set ? block->bits[piece.word] : ~block->bits[piece.word];
    all = (bits & piece.mask) == piece.mask;
    return all;
  }));
  return all;
}

Result<void> GroupBitmap::Change(Transaction& tx, BlockRun run, bool set) const {
  BitmapBlock* block = nullptr;
  uint64_t loaded = 0;
  return ForEachPiece(run, [&](const Piece& piece) -> Result<bool> {
    if (block == nullptr || loaded != piece.block) {
      HOLDFAST_ASSIGN(block,
                      tx.EditBlock<BitmapBlock>(PfnOf(piece.block), ObjectType::kBitmap, group_));
      loaded = piece.block;
    }
    assert((block->bits[piece.word] & piece.mask) == (set ? 0 : piece.mask));
    block->bits[piece.word] ^= piece.mask;
    return true;
  });
}

Result<void> GroupBitmap::ForEachFreeRun(MetaReader& reader,
                                         const std::function<void(BlockRun)>& fn) const {
  const uint64_t blocks = layout_.blocks.value();
  uint64_t run_start = 0;
  uint64_t run_length = 0;
  const auto flush = [&] {
    if (run_length != 0) fn({layout_.start + BlockCount(run_start), BlockCount(run_length)});
    run_length = 0;
  };
  for (uint64_t i = 0; i < layout_.bitmap_blocks.value(); ++i) {
    HOLDFAST_ASSIGN(const BitmapBlock* block,
                    reader.Block<BitmapBlock>(PfnOf(i), ObjectType::kBitmap, group_));
    for (uint64_t word = 0; word < std::size(block->bits); ++word) {
      const uint64_t base = i * kBitsPerBitmapBlock + word * 64;
      for (uint64_t free = ~block->bits[word]; free != 0;) {
        const auto low = static_cast<uint64_t>(std::countr_zero(free));
        const auto count = static_cast<uint64_t>(std::countr_one(free >> low));
        if (base + low + count > blocks) {
          return Fail(EUCLEAN, absl::StrCat("bitmap of group ", group_,
                                            ": a block past the group's end is free; run "
                                            "fsck.holdfast"));
        }
        if (run_start + run_length != base + low) {
          flush();
          run_start = base + low;
        }
        run_length += count;
        free = low + count == 64 ? 0 : free & (~uint64_t{0} << (low + count));
      }
    }
  }
  flush();
  return {};
}

}  // namespace holdfast::fsmeta
