// SPDX-License-Identifier: Apache-2.0
// Copying, zeroing and comparing file data.
#include "fsmeta/data_store.h"

#include <algorithm>
#include <cstring>

#include "daxcore/media_failure.h"
#include "daxcore/sigbus.h"

namespace holdfast::fsmeta {

using daxcore::Fail;
using daxcore::Pfn;
using daxcore::Result;

namespace {

// The blocks that [offset, offset + n) covers wholly.
BlockRun WholeBlocks(uint64_t offset, uint64_t n) {
  const Pfn first(daxcore::AlignUp(offset, daxcore::kBlockSize) >> daxcore::kBlockShift);
  const Pfn end((offset + n) >> daxcore::kBlockShift);
  return {first, end > first ? end - first : daxcore::BlockCount(0)};
}

bool AllZero(const std::byte* bytes, uint64_t n) {
  while (n != 0) {
    const uint64_t part = std::min(n, ZeroBytes::kLength);
    if (std::memcmp(bytes, ZeroBytes::Area(), part) != 0) return false;
    bytes += part;
    n -= part;
  }
  return true;
}

}  // namespace

Result<void> DataStore::Overwrite(BlockRun blocks, absl::FunctionRef<Result<void>()> fill) const {
  // Each further round knows one bad block more than the one before.
  for (uint64_t rounds = blocks.length.value();; --rounds) {
    HOLDFAST_TRY(failure_.PrepareOverwrite(blocks.start, blocks.length));
    auto filled = fill();
    if (filled || rounds == 0) return filled;
    const bool met_more = failure_.IsBad(ByteOffset(blocks.start), Bytes(blocks.length));
    if (!met_more) return filled;
  }
}

Result<void> DataStore::CopyIn(uint64_t to, std::span<const iovec> pieces, uint64_t skip,
                               uint64_t n) const {
  return Overwrite(WholeBlocks(to, n), [&] { return CopyPieces(to, pieces, skip, n); });
}

Result<void> DataStore::CopyPieces(uint64_t to, std::span<const iovec> pieces, uint64_t skip,
                                   uint64_t n) const {
  for (const iovec& piece : pieces) {
    if (n == 0) break;
    if (skip >= piece.iov_len) {
      skip -= piece.iov_len;
      continue;
    }
    const uint64_t part = std::min<uint64_t>(n, piece.iov_len - skip);
    HOLDFAST_TRY(failure_.CopyNt(to, static_cast<const std::byte*>(piece.iov_base) + skip, part));
    to += part;
    n -= part;
    skip = 0;
  }
  return {};
}

Result<void> DataStore::CopyWithin(uint64_t to, uint64_t from, uint64_t n) const {
  if (n == 0) return {};
  return Overwrite(WholeBlocks(to, n), [&] { return failure_.CopyWithin(to, from, n); });
}

Result<void> DataStore::Zero(uint64_t at, uint64_t n) const {
  if (n == 0) return {};
  return Overwrite(WholeBlocks(at, n), [&] { return failure_.ZeroNt(at, n); });
}

Result<bool> DataStore::IsZero(uint64_t at, uint64_t n) const {
  HOLDFAST_TRY(failure_.CheckReadable(at, n));
  bool zero = false;
  const std::byte* const bytes = failure_.region().At(at);
  if (!daxcore::RunGuarded([&] { zero = AllZero(bytes, n); })) return Fail(EIO);
  HOLDFAST_TRY(failure_.CheckReadable(at, n));
  return zero;
}

void DataStore::Drain() const { failure_.region().persist().Drain(); }

const std::byte* ZeroBytes::Area() {
  // Not const, so that it lies in .bss: as it is never written, each page is the kernel's zero
  // page.
  alignas(daxcore::kBlockSize) static std::byte area[kLength];
  return area;
}

}  // namespace holdfast::fsmeta
