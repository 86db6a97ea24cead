// SPDX-License-Identifier: Apache-2.0
// File data in the region: the verbs that move it, which survive bad memory.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/block_run.h"

namespace holdfast::daxcore {
class MediaFailure;
}

namespace holdfast::fsmeta {

/// Moves bytes of files into and inside the region. Every store is non-temporal: durable after the
/// next drain of this thread (Drain, or the commit of a transaction). Offsets are bytes of the
/// region. Stateless and thread-safe; the caller's locks keep others off the blocks. Bad memory is
/// EIO (F1), except that whole blocks which are overwritten are repaired (F6).
class DataStore {
 public:
  explicit DataStore(daxcore::MediaFailure& failure) : failure_(failure) {}

  /// Copies `n` bytes that begin `skip` bytes into `pieces` (which hold that many) to `to`.
  daxcore::Result<void> CopyIn(uint64_t to, std::span<const iovec> pieces, uint64_t skip,
                               uint64_t n) const;
  daxcore::Result<void> CopyWithin(uint64_t to, uint64_t from, uint64_t n) const;
  daxcore::Result<void> Zero(uint64_t at, uint64_t n) const;
  /// Are all of these bytes zero?
  daxcore::Result<bool> IsZero(uint64_t at, uint64_t n) const;
  void Drain() const;

  /// Calls `fill`, which stores all bytes of `blocks` by these verbs, in any order, and which can
  /// be called again. Bad blocks among them are repaired first, those that it meets too.
  daxcore::Result<void> Overwrite(BlockRun blocks,
                                  absl::FunctionRef<daxcore::Result<void>()> fill) const;

 private:
  daxcore::Result<void> CopyPieces(uint64_t to, std::span<const iovec> pieces, uint64_t skip,
                                   uint64_t n) const;

  daxcore::MediaFailure& failure_;
};

/// The zeroes that holes and unwritten extents read as.
class ZeroBytes {
 public:
  /// Length of the area; longer holes take several pieces.
  static constexpr uint64_t kLength = uint64_t{2} << 20;
  /// `kLength` bytes of zeroes that are never written and take no memory.
  static const std::byte* Area();
};

}  // namespace holdfast::fsmeta
