// SPDX-License-Identifier: Apache-2.0
// What daxcore's quarantine asks of the filesystem, each call in transactions of its own.
#pragma once

#include <span>
#include <vector>

#include "daxcore/quarantine.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/quarantine_file.h"
#include "fsmeta/transaction.h"

namespace holdfast::fsmeta {

/// Keeps the quarantine file for daxcore, and releases blocks when nobody can touch them any more.
/// Thread-safe; holds nothing but references to parts that outlive it. What cannot be released (an
/// unsound medium, a shutdown) stays on record and is released by the first mount after a reboot.
class FileQuarantineStore : public daxcore::QuarantineStore {
 public:
  FileQuarantineStore(TransactionRunner& runner, const SpaceTools& tools, QuarantineFile& file)
      : runner_(runner), tools_(tools), file_(file) {}

  void Release(std::span<const daxcore::PfnRange> pages) override;
  Result<void> AddHolder(Ino ino, const daxcore::ProcessId& process) override;
  void RemoveHolder(Ino ino, const daxcore::ProcessId& process) override;

  /// At a writable mount: releases what earlier boots left (QuarantineContents::expired) and
  /// forgets their holders. O(records).
  Result<void> ReleaseExpired(std::span<const BlockRun> expired);

 private:
  Result<void> ReleaseSome(std::span<const daxcore::PfnRange> pages);
  Result<void> ReleaseAll(std::span<const daxcore::PfnRange> pages);

  TransactionRunner& runner_;
  const SpaceTools tools_;
  QuarantineFile& file_;
};

}  // namespace holdfast::fsmeta
