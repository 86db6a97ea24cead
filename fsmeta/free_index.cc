// SPDX-License-Identifier: Apache-2.0
// Bit arithmetic of the free-space index and its searches.
#include "fsmeta/free_index.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace holdfast::fsmeta {

using daxcore::AlignDown;
using daxcore::AlignUp;

namespace {

// Bits [from, to) of word `word` of a chunk.
uint64_t MaskOf(size_t word, uint32_t from, uint32_t to) {
  const uint64_t base = word * 64;
  const uint64_t low = from > base ? from - base : 0;
  const uint64_t high = to < base + 64 ? to - base : 64;
  if (low >= high) return 0;
  const uint64_t below_high = high == 64 ? ~uint64_t{0} : (uint64_t{1} << high) - 1;
  return below_high & ~((uint64_t{1} << low) - 1);
}

// First bit at or after `from` that is `value`; 512 if there is none.
template <typename Bits>
uint32_t NextBit(const Bits& bits, uint32_t from, bool value) {
  for (size_t word = from / 64; word < bits.size(); ++word) {
    uint64_t candidates = value ? bits[word] : ~bits[word];
    if (word == from / 64) candidates &= ~uint64_t{0} << (from % 64);
    if (candidates != 0) {
      return static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(candidates));
    }
  }
  return FreeIndex::kChunkBlocks;
}

// First bit of the run of free blocks that contains `at`, which is free.
template <typename Bits>
uint32_t RunStart(const Bits& bits, uint32_t at) {
  for (uint32_t word = at / 64;; --word) {
    uint64_t used = ~bits[word];
    if (word == at / 64) used &= ~uint64_t{0} >> (63 - at % 64);
    if (used != 0) return word * 64 + 64 - static_cast<uint32_t>(std::countl_zero(used));
    if (word == 0) return 0;
  }
}

// Length of the longest run of free blocks; looks no further once it is `enough`.
template <typename Bits>
uint32_t LongestRun(const Bits& bits, uint32_t enough) {
  uint32_t longest = 0;
  uint32_t end = 0;
  for (uint32_t at = NextBit(bits, 0, true); at < FreeIndex::kChunkBlocks && longest < enough;
       at = NextBit(bits, end, true)) {
    end = NextBit(bits, at, false);
    longest = std::max(longest, end - at);
  }
  return longest;
}

}  // namespace

FreeIndex::FreeIndex(BlockRun range)
    : range_(range),
      base_(AlignDown(range.start.value(), kChunkBlocks)),
      longest_bound_(range.length.value()) {
  const uint64_t chunks = (AlignUp(range.end().value(), kChunkBlocks) - base_) / kChunkBlocks;
  free_.resize(chunks);
  longest_.resize(chunks);
  mixed_.resize(chunks);
}

template <typename F>
void FreeIndex::ForEachSpan(BlockRun run, F&& fn) const {
  assert(run.start >= range_.start && run.end() <= range_.end());
  const uint64_t end = BitOf(run.end());
  for (uint64_t bit = BitOf(run.start); bit < end;) {
    const size_t chunk = bit / kChunkBlocks;
    const uint64_t stop = std::min(end, (chunk + 1) * kChunkBlocks);
    fn(Span{chunk, static_cast<uint32_t>(bit % kChunkBlocks),
            static_cast<uint32_t>(stop - chunk * kChunkBlocks)});
    bit = stop;
  }
}

FreeIndex::Bits FreeIndex::BitsOf(size_t chunk) const {
  if (mixed_[chunk]) return *mixed_[chunk];
  Bits bits;
  bits.fill(IsWhole(chunk) ? ~uint64_t{0} : 0);
  return bits;
}

// Blocks of the free run around `at`, which is free, inside its chunk.
uint16_t FreeIndex::LengthAround(const Bits& bits, uint32_t at) {
  return static_cast<uint16_t>(NextBit(bits, at, false) - RunStart(bits, at));
}

void FreeIndex::Flip(Bits& bits, const Span& span, [[maybe_unused]] bool to_free) {
  for (size_t word = span.from / 64; word <= (span.to - 1) / 64; ++word) {
    const uint64_t mask = MaskOf(word, span.from, span.to);
    assert((bits[word] & mask) == (to_free ? 0 : mask));
    bits[word] ^= mask;
  }
}

void FreeIndex::Change(const Span& span, bool to_free) {
  const uint32_t count = span.to - span.from;
  const uint32_t free = to_free ? free_[span.chunk] + count : free_[span.chunk] - count;
  assert(free <= kChunkBlocks);
  uint16_t& longest = longest_[span.chunk];
  if (free == 0 || free == kChunkBlocks) {
    mixed_[span.chunk].reset();
    longest = static_cast<uint16_t>(free);
  } else {
    auto& bits = mixed_[span.chunk];
    if (!bits) bits = std::make_unique<Bits>(BitsOf(span.chunk));
    // The other runs matter only when the longest was cut.
    const bool cuts_longest = !to_free && LengthAround(*bits, span.from) == longest;
    Flip(*bits, span, to_free);
    if (to_free) longest = std::max(longest, LengthAround(*bits, span.from));
    if (cuts_longest) longest = static_cast<uint16_t>(LongestRun(*bits, longest));
  }
  free_[span.chunk] = static_cast<uint16_t>(free);
}

void FreeIndex::Put(BlockRun run) {
  ForEachSpan(run, [this](const Span& span) {
    assert(free_[span.chunk] + (span.to - span.from) <= kChunkBlocks);
    Change(span, /*to_free=*/true);
  });
  free_total_ += run.length.value();
  // The run may have joined its neighbours.
  longest_bound_ = std::min(range_.length.value(), 2 * longest_bound_ + run.length.value());
}

void FreeIndex::Take(BlockRun run) {
  assert(IsFree(run));
  ForEachSpan(run, [this](const Span& span) { Change(span, /*to_free=*/false); });
  free_total_ -= run.length.value();
}

uint32_t FreeIndex::PrefixOf(size_t chunk) const {
  if (chunk >= chunk_count() || free_[chunk] == 0) return 0;
  return IsWhole(chunk) ? kChunkBlocks : NextBit(*mixed_[chunk], 0, false);
}

uint64_t FreeIndex::LengthAt(uint64_t bit, uint64_t limit) const {
  size_t chunk = bit / kChunkBlocks;
  if (free_[chunk] == 0) return 0;
  const uint32_t from = static_cast<uint32_t>(bit % kChunkBlocks);
  const uint32_t end = IsWhole(chunk) ? kChunkBlocks : NextBit(*mixed_[chunk], from, false);
  uint64_t length = end - from;
  while (end == kChunkBlocks && length < limit) {
    const uint32_t more = PrefixOf(++chunk);
    length += more;
    if (more < kChunkBlocks) break;
  }
  return std::min(length, limit);
}

std::optional<BlockRun> FreeIndex::RunAt(Pfn start, BlockCount want) const {
  if (!range_.Contains(start)) return std::nullopt;
  const uint64_t length = LengthAt(BitOf(start), want.value());
  if (length == 0) return std::nullopt;
  return BlockRun{start, BlockCount(length)};
}

// First bit at or after `from` where `want` blocks fit inside the chunk.
std::optional<uint32_t> FreeIndex::FirstFit(size_t chunk, uint32_t from, uint32_t want) const {
  if (IsWhole(chunk)) return from + want <= kChunkBlocks ? std::optional(from) : std::nullopt;
  const Bits& bits = *mixed_[chunk];
  for (uint32_t at = NextBit(bits, from, true); at + want <= kChunkBlocks;) {
    const uint32_t end = NextBit(bits, at, false);
    if (end - at >= want) return at;
    if (end >= kChunkBlocks) break;
    at = NextBit(bits, end, true);
  }
  return std::nullopt;
}

// The goal, then the nearest hole that is large enough, then the nearest free chunk.
std::optional<BlockRun> FreeIndex::FindSmall(uint32_t want, uint64_t goal) const {
  if (LengthAt(goal, want) == want) return RunOf(goal, want);
  const size_t first = goal / kChunkBlocks;
  if (!IsWhole(first) && longest_[first] >= want) {
    const auto after = FirstFit(first, static_cast<uint32_t>(goal % kChunkBlocks), want);
    if (after) return RunOf(first * kChunkBlocks + *after, want);
  }
  std::optional<size_t> whole;
  for (size_t i = 0; i < chunk_count(); ++i) {
    const size_t chunk = first + i < chunk_count() ? first + i : first + i - chunk_count();
    if (longest_[chunk] < want) continue;
    if (IsWhole(chunk)) {
      if (!whole) whole = chunk;
      continue;
    }
    return RunOf(chunk * kChunkBlocks + *FirstFit(chunk, 0, want), want);
  }
  if (whole) return RunOf(*whole * kChunkBlocks, want);
  return std::nullopt;
}

std::optional<BlockRun> FreeIndex::FindAligned(uint64_t want, uint64_t at_least,
                                               size_t goal_chunk) const {
  uint64_t best_start = 0;
  uint64_t best_length = 0;
  const auto search = [&](size_t from, size_t to) {
    for (size_t chunk = from; chunk < to && best_length < want; ++chunk) {
      if (!IsWhole(chunk)) continue;
      const uint64_t length = LengthAt(chunk * kChunkBlocks, want);
      if (length > best_length) {
        best_length = length;
        best_start = chunk * kChunkBlocks;
      }
      chunk += length / kChunkBlocks - 1;
    }
  };
  search(goal_chunk, chunk_count());
  search(0, goal_chunk);
  if (best_length < at_least || best_length == 0) return std::nullopt;
  return RunOf(best_start, best_length);
}

// Runs that cross chunk boundaries too; reads every bit, so it is the last resort.
std::optional<BlockRun> FreeIndex::FindAnywhere(uint64_t want, uint64_t at_least) const {
  uint64_t best_start = 0;
  uint64_t best_length = 0;
  const uint64_t end = chunk_count() * kChunkBlocks;
  for (uint64_t bit = 0; bit < end && best_length < want;) {
    const size_t chunk = bit / kChunkBlocks;
    const uint32_t from = static_cast<uint32_t>(bit % kChunkBlocks);
    const uint32_t start = mixed_[chunk]    ? NextBit(*mixed_[chunk], from, true)
                           : IsWhole(chunk) ? from
                                            : static_cast<uint32_t>(kChunkBlocks);
    bit = chunk * kChunkBlocks + start;
    if (start == kChunkBlocks) continue;
    const uint64_t length = LengthAt(bit, want);
    if (length > best_length) {
      best_length = length;
      best_start = bit;
    }
    bit += length;
  }
  if (best_length < at_least || best_length == 0) return std::nullopt;
  return RunOf(best_start, best_length);
}

std::optional<BlockRun> FreeIndex::Find(BlockCount want, BlockCount at_least, Pfn goal) {
  const uint64_t wanted = std::min(want.value(), range_.length.value());
  if (at_least.value() > std::min(longest_bound_, free_total_) || wanted == 0) return std::nullopt;
  const uint64_t goal_bit = BitOf(range_.Contains(goal) ? goal : range_.start);
  auto found = wanted < kChunkBlocks ? FindSmall(static_cast<uint32_t>(wanted), goal_bit)
                                     : FindAligned(wanted, std::max(at_least.value(), kChunkBlocks),
                                                   goal_bit / kChunkBlocks);
  if (!found) found = FindAnywhere(wanted, at_least.value());
  if (!found) longest_bound_ = at_least.value() - 1;
  return found;
}

bool FreeIndex::IsFree(BlockRun run) const {
  const auto found = RunAt(run.start, run.length);
  return found && found->length == run.length;
}

size_t FreeIndex::MemoryBytes() const {
  const auto mixed =
      std::ranges::count_if(mixed_, [](const auto& bits) { return bits != nullptr; });
  return sizeof(*this) + free_.capacity() * sizeof(free_[0]) +
         longest_.capacity() * sizeof(longest_[0]) + mixed_.capacity() * sizeof(mixed_[0]) +
         static_cast<size_t>(mixed) * sizeof(Bits);
}

}  // namespace holdfast::fsmeta
