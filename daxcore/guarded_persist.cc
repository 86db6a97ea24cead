// SPDX-License-Identifier: Apache-2.0
// Stores through the second mapping of a region.
#include "daxcore/guarded_persist.h"

#include <algorithm>

#include "daxcore/types.h"

namespace holdfast::daxcore {

// Calls `verb` with where each page of [dst, dst + n) is stored to, the offset in the source and
// the length. The page is touched at its own place first, since only there has its memory failed.
template <typename Verb>
void GuardedPersist::ForEachPage(void* dst, size_t n, Verb verb) const {
  auto* const start = static_cast<std::byte*>(dst);
  for (size_t done = 0; done < n;) {
    const auto offset = static_cast<uint64_t>(start + done - base_);
    const size_t part = std::min(n - done, kBlockSize - offset % kBlockSize);
    static_cast<void>(*static_cast<const volatile std::byte*>(start + done));
    verb(alias_ + offset, done, part);
    done += part;
  }
}

void GuardedPersist::Store(void* dst, const void* src, size_t n) {
  ForEachPage(dst, n, [&](void* to, size_t from, size_t part) {
    verbs_.Store(to, static_cast<const std::byte*>(src) + from, part);
  });
}

void GuardedPersist::CopyNt(void* dst, const void* src, size_t n) {
  ForEachPage(dst, n, [&](void* to, size_t from, size_t part) {
    verbs_.CopyNt(to, static_cast<const std::byte*>(src) + from, part);
  });
}

void GuardedPersist::ZeroNt(void* dst, size_t n) {
  ForEachPage(dst, n, [&](void* to, size_t, size_t part) { verbs_.ZeroNt(to, part); });
}

}  // namespace holdfast::daxcore
