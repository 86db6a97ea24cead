// SPDX-License-Identifier: Apache-2.0
// File blocks that somebody references, with the pages that held them at that time.
#pragma once

#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "daxcore/ranges.h"

namespace holdfast::daxcore {

/// A set of file blocks, each with its page, as disjoint runs. The pages are remembered because the
/// file may have lost them since (quarantine). O(log n) per run. Not thread-safe.
class RunSet {
 public:
  bool empty() const { return runs_.empty(); }
  BlockCount blocks() const { return blocks_; }

  /// Adds a run. None of its blocks is in the set.
  void Add(const FileRun& run);
  /// Removes what lies in `range` and returns it, in order.
  std::vector<FileRun> Take(FileRange range);
  /// Removes what lies in `pages` and returns it, in index order. O(all runs).
  std::vector<FileRun> TakePages(PfnRange pages);
  /// The first part of `range` that is not in the set.
  std::optional<FileRange> FirstGap(FileRange range) const;
  bool Overlaps(FileRange range) const;
  /// Everything, in order.
  std::vector<FileRun> List() const;

 private:
  using Runs = absl::btree_map<FileBlock, FileRun>;
  Runs::const_iterator FirstEndingAfter(FileBlock block) const;

  Runs runs_;  // by index
  BlockCount blocks_{0};
};

}  // namespace holdfast::daxcore
