// SPDX-License-Identifier: Apache-2.0
// Two bit maps, searched by the word.
#include "fsmeta/repair_space.h"

#include <algorithm>
#include <bit>

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kWordBits = 64;

}  // namespace

RepairSpace::RepairSpace(uint64_t blocks)
    : blocks_(blocks), held_(blocks / kWordBits + 1), marked_(blocks / kWordBits + 1) {}

void RepairSpace::Set(Bits& bits, uint64_t start, uint64_t end) {
  while (start < end) {
    const uint64_t in_word = start % kWordBits;
    const uint64_t n = std::min(kWordBits - in_word, end - start);
    bits[start / kWordBits] |= (~uint64_t{0} >> (kWordBits - n)) << in_word;
    start += n;
  }
}

void RepairSpace::Hold(uint64_t start, uint64_t length) {
  if (start >= blocks_) return;
  Set(held_, start, start + std::min(length, blocks_ - start));
}

void RepairSpace::HoldBack(uint64_t start, uint64_t length) {
  if (start >= blocks_) return;
  Set(marked_, start, start + std::min(length, blocks_ - start));
}

void RepairSpace::HoldAll(const Claims& claims) {
  for (const Claim& claim : claims.all()) Hold(claim.start, claim.length);
  for (const uint64_t block : claims.visited()) Hold(block, 1);
}

uint64_t RepairSpace::NextClear(bool with_marked) {
  uint64_t& next = with_marked ? next_marked_ : next_;
  for (uint64_t word = next / kWordBits; word < held_.size(); ++word) {
    const uint64_t taken = with_marked ? held_[word] : held_[word] | marked_[word];
    if (taken == ~uint64_t{0}) continue;
    next = word * kWordBits + static_cast<uint64_t>(std::countr_one(taken));
    return next;
  }
  next = blocks_;
  return next;
}

daxcore::Result<daxcore::Pfn> RepairSpace::Allocate() {
  uint64_t block = NextClear(/*with_marked=*/false);
  if (block >= blocks_) block = NextClear(/*with_marked=*/true);
  if (block >= blocks_) {
    return daxcore::Fail(ENOSPC, "there is no free block left for what has to be rebuilt");
  }
  Hold(block, 1);
  fresh_.insert(block);
  return daxcore::Pfn(block);
}

}  // namespace holdfast::fsmeta
