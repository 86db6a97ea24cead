// SPDX-License-Identifier: Apache-2.0
// A freshly formatted region in memory with its journal and transactions, for tests of single
// parts.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "fsmeta/format_region.h"
#include "fsmeta/journal.h"
#include "fsmeta/medium.h"
#include "fsmeta/transaction.h"
#include "tests/support/recorder.h"

namespace holdfast::tests {

/// Owns region, medium, journal and runner. Failures to build abort the test program.
class FormattedMedium {
 public:
  static constexpr uint64_t kDefaultBytes = uint64_t{4} << 20;

  /// With `recorder`, which must outlive this, its log begins after the format.
  explicit FormattedMedium(uint64_t bytes = kDefaultBytes,
                           const fsmeta::FormatOptions& options = {}, Recorder* recorder = nullptr);
  /// Over a copy of `image`: replays and opens it as a mount does.
  explicit FormattedMedium(const std::vector<std::byte>& image);

  /// Drops everything but the bytes, replays the journal, opens it all again.
  void Remount();

  daxcore::Region& region() { return *region_; }
  fsmeta::Medium& medium() { return *medium_; }
  fsmeta::Journal& journal() { return *journal_; }
  fsmeta::TransactionRunner& runner() { return *runner_; }
  const fsmeta::Superblock& superblock() { return medium_->superblock(); }
  /// How many records the last opening replayed.
  uint64_t replayed() const { return replayed_; }
  std::vector<std::byte> Image() const;

  /// Blocks of the system files, handy as objects to change.
  daxcore::Pfn orphan_block() { return Pfn(superblock().inode_cluster0 + 16); }
  daxcore::Pfn quarantine_block() { return Pfn(superblock().inode_cluster0 + 17); }
  /// First block that a new filesystem leaves free.
  daxcore::Pfn first_free() { return Pfn(superblock().inode_cluster0 + 19); }

 private:
  using Pfn = daxcore::Pfn;
  void Open();
  std::unique_ptr<daxcore::Region> region_;
  std::unique_ptr<fsmeta::Medium> medium_;
  std::unique_ptr<fsmeta::Journal> journal_;
  std::unique_ptr<fsmeta::TransactionRunner> runner_;
  uint64_t replayed_ = 0;
};

}  // namespace holdfast::tests
