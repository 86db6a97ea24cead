// SPDX-License-Identifier: Apache-2.0
// Releasing quarantined blocks, and recording holders.
#include "fsmeta/quarantine_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace holdfast::fsmeta {

using daxcore::PfnRange;
using daxcore::ProcessId;

namespace {

// Ranges and holders that one transaction handles, so that its record fits a lane as a rule.
constexpr size_t kPerTransaction = 16;

}  // namespace

// Records and blocks go in one transaction: no block is free and on record, none is lost.
Result<void> FileQuarantineStore::ReleaseSome(std::span<const PfnRange> pages) {
  return runner_.Run([&](Transaction& tx) -> Result<void> {
    std::vector<BlockRun> owned;
    HOLDFAST_TRY(file_.RemoveRuns(tx, pages, &owned));
    std::vector<Extent> extents;
    for (const BlockRun& run : owned) extents.push_back({FileBlock(0), run, 0});
    return ReleaseExtents(tx, tools_, extents, nullptr);
  });
}

Result<void> FileQuarantineStore::ReleaseAll(std::span<const PfnRange> pages) {
  for (; !pages.empty(); pages = pages.subspan(std::min(kPerTransaction, pages.size()))) {
    HOLDFAST_TRY(ReleaseSome(pages.first(std::min(kPerTransaction, pages.size()))));
  }
  return {};
}

void FileQuarantineStore::Release(std::span<const PfnRange> pages) {
  if (const auto released = ReleaseAll(pages); !released) {
    spdlog::error(
        "quarantine: blocks that are not in use any more stay allocated until the next "
        "reboot: {}",
        released.error().Text());
  }
}

Result<void> FileQuarantineStore::AddHolder(Ino ino, const ProcessId& process) {
  return runner_.Run([&](Transaction& tx) { return file_.AddHolder(tx, ino, process); });
}

void FileQuarantineStore::RemoveHolder(Ino ino, const ProcessId& process) {
  const auto removed =
      runner_.Run([&](Transaction& tx) { return file_.RemoveHolder(tx, ino, process); });
  if (!removed) {
    spdlog::error("quarantine: process {} stays on record as a user of inode {}: {}", process.pid,
                  ino.value(), removed.error().Text());
  }
}

Result<void> FileQuarantineStore::ReleaseExpired(std::span<const BlockRun> expired) {
  std::vector<PfnRange> pages;
  for (const BlockRun& run : expired) pages.push_back({run.start, run.length});
  HOLDFAST_TRY(ReleaseAll(pages));
  for (bool more = true; more;) {
    HOLDFAST_ASSIGN(more, runner_.Run([&](Transaction& tx) {
      return file_.ForgetExpiredHolders(tx, kPerTransaction);
    }));
  }
  return {};
}

}  // namespace holdfast::fsmeta
