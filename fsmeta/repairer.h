// SPDX-License-Identifier: Apache-2.0
// Repairing a filesystem: REPAIR.md says what from, in which order, and what becomes of conflicts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/check_report.h"
#include "fsmeta/repair_log.h"

namespace holdfast::fsmeta {

struct RepairOptions {
  /// Give up what cannot be saved. Without it a repair that would have to, changes nothing.
  bool may_lose = false;
  /// For tests: as if in that boot. Else in this one.
  std::optional<std::array<uint8_t, 16>> boot_id = std::nullopt;
};

enum class RepairOutcome {
  kClean,     ///< nothing was wrong, nothing was changed
  kRepaired,  ///< the medium is clean now
  kRefused,   ///< damage is left, nothing was changed; `why` says why
};

struct RepairReport {
  RepairOutcome outcome = RepairOutcome::kClean;
  RepairLog log = {};      ///< what was done; if refused, what would have been
  std::string why = {};    ///< if refused: one line
  CheckReport check = {};  ///< of the medium as it is now
};

/// Checks the filesystem in `region`, and repairs it if it is damaged. The repaired filesystem is
/// first made in DRAM and checked there; only if that check is clean is anything written. Killed at
/// any moment, it leaves a filesystem that either is what it was, or does not mount until it is
/// repaired again, which ends in the same state. Memory: that of a check, two bits a block, and
/// what is rewritten. Errors: as CheckFilesystem; EROFS: the region or its features cannot be
/// written; EIO: memory has failed and cannot be cleared. The caller owns the region (rule O1).
daxcore::Result<RepairReport> RepairRegion(daxcore::Region& region, const RepairOptions& options);

}  // namespace holdfast::fsmeta
