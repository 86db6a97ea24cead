// SPDX-License-Identifier: Apache-2.0
// Copying, zeroing and comparing file data.
#include "fsmeta/data_store.h"

#include <algorithm>
#include <cstring>

namespace holdfast::fsmeta {

using daxcore::Result;

Result<void> DataStore::CopyIn(uint64_t to, std::span<const iovec> pieces, uint64_t skip,
                               uint64_t n) const {
  for (const iovec& piece : pieces) {
    if (n == 0) break;
    if (skip >= piece.iov_len) {
      skip -= piece.iov_len;
      continue;
    }
    const uint64_t part = std::min<uint64_t>(n, piece.iov_len - skip);
    region_.persist().CopyNt(region_.Target(to),
                             static_cast<const std::byte*>(piece.iov_base) + skip, part);
    to += part;
    n -= part;
    skip = 0;
  }
  return {};
}

Result<void> DataStore::CopyWithin(uint64_t to, uint64_t from, uint64_t n) const {
  if (n != 0) region_.persist().CopyNt(region_.Target(to), region_.At(from), n);
  return {};
}

Result<void> DataStore::Zero(uint64_t at, uint64_t n) const {
  if (n != 0) region_.persist().ZeroNt(region_.Target(at), n);
  return {};
}

Result<bool> DataStore::IsZero(uint64_t at, uint64_t n) const {
  while (n != 0) {
    const uint64_t part = std::min(n, ZeroBytes::kLength);
    if (std::memcmp(region_.At(at), ZeroBytes::Area(), part) != 0) return false;
    at += part;
    n -= part;
  }
  return true;
}

const std::byte* ZeroBytes::Area() {
  // Not const, so that it lies in .bss: as it is never written, each page is the kernel's zero
  // page.
  alignas(daxcore::kBlockSize) static std::byte area[kLength];
  return area;
}

}  // namespace holdfast::fsmeta
