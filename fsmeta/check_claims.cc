// SPDX-License-Identifier: Apache-2.0
// Sorting claims and sweeping over them.
#include "fsmeta/check_claims.h"

#include <algorithm>
#include <tuple>

namespace holdfast::fsmeta {

bool Claims::AddBlock(daxcore::Pfn block, uint64_t ino) {
  if (!Visit(block)) return false;
  Add({block.value(), ino, 0, 1, 0, ClaimKind::kMetadata});
  return true;
}

void Claims::Sort() {
  std::ranges::sort(claims_, {}, [](const Claim& claim) {
    return std::tuple(claim.start, claim.ino, claim.file_block);
  });
}

std::span<const Claim> Claims::InBlocks(uint64_t from, uint64_t to) const {
  const auto first = std::ranges::lower_bound(claims_, from, {}, &Claim::start);
  const auto last = std::ranges::lower_bound(claims_, to, {}, &Claim::start);
  return {first, last};
}

void Claims::ForEachCoverage(uint64_t from, uint64_t to,
                             absl::FunctionRef<void(const Coverage&)> fn) const {
  // Claims that cover the current position, the one that ends first on top.
  std::vector<const Claim*> open;
  const auto ends_later = [](const Claim* a, const Claim* b) { return a->end() > b->end(); };
  uint32_t exclusive = 0;
  uint64_t at = from;
  const auto emit_to = [&](uint64_t next) {
    if (next <= at) return;
    fn({at, next - at, static_cast<uint32_t>(open.size()), exclusive == 0, open});
    at = next;
  };
  const auto close_until = [&](uint64_t limit) {
    while (!open.empty() && open.front()->end() <= limit) {
      emit_to(open.front()->end());
      if (!open.front()->may_share()) --exclusive;
      std::ranges::pop_heap(open, ends_later);
      open.pop_back();
    }
  };
  for (const Claim& claim : InBlocks(from, to)) {
    close_until(claim.start);
    emit_to(claim.start);
    open.push_back(&claim);
    std::ranges::push_heap(open, ends_later);
    if (!claim.may_share()) ++exclusive;
  }
  close_until(to);
  emit_to(to);
}

}  // namespace holdfast::fsmeta
