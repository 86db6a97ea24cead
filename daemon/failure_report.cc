// SPDX-License-Identifier: Apache-2.0
// The JSON of failures and owners.
#include "daemon/failure_report.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "daxcore/media_failure.h"
#include "fsmeta/block_owners.h"

namespace holdfast::daemon {

using daxcore::BlockCount;
using daxcore::Fail;
using daxcore::Pfn;
using daxcore::Result;
using fsmeta::BlockUse;
using nlohmann::json;

namespace {

json Describe(const BlockUse& use) {
  json object = {{"region_offset", ByteOffset(use.run.start)},
                 {"length", Bytes(use.run.length)},
                 {"kind", std::string(NameOf(use.kind))}};
  if (use.ino != daxcore::Ino(0)) object["inode"] = use.ino.value();
  if (use.kind == BlockUse::Kind::kFileData) object["file_offset"] = ByteOffset(use.file_block);
  if (!use.what.empty()) object["what"] = std::string(use.what);
  return object;
}

}  // namespace

json FailuresOf(fsmeta::Filesystem& filesystem) {
  json ranges = json::array();
  for (const daxcore::ByteRange& bad : filesystem.volume().failure().BadRanges()) {
    ranges.push_back({{"region_offset", bad.offset}, {"length", bad.length}});
  }
  return {{"failures", std::move(ranges)}};
}

Result<json> OwnersOf(fsmeta::Filesystem& filesystem, uint64_t offset, uint64_t length) {
  const uint64_t end = Bytes(filesystem.volume().medium().blocks());
  if (offset >= end) return Fail(ENXIO);
  length = length == 0 ? end - offset : std::min(length, end - offset);
  const Pfn first(offset >> daxcore::kBlockShift);
  const Pfn last((offset + length - 1) >> daxcore::kBlockShift);
  HOLDFAST_ASSIGN(const auto uses,
                  UsesOf(filesystem.volume(), first, last + BlockCount(1) - first));
  json owners = json::array();
  for (const BlockUse& use : uses) owners.push_back(Describe(use));
  return json{{"owners", std::move(owners)}};
}

json FailureCountersOf(fsmeta::Filesystem& filesystem) {
  fsmeta::Volume& volume = filesystem.volume();
  uint64_t bad_bytes = 0;
  for (const daxcore::ByteRange& bad : volume.failure().BadRanges()) bad_bytes += bad.length;
  const daxcore::LayoutMetrics& metrics = volume.layouts().metrics();
  return {{"bad_bytes", bad_bytes},
          {"reported", metrics.failures.load()},
          {"holders_told", metrics.holders_told.load()},
          {"poisoned_loads", volume.failure().poisoned_loads()},
          {"page_canary_hits", volume.pages().canary_hits()},
          {"allocator_oracle_hits", volume.allocator().oracle_hits()}};
}

}  // namespace holdfast::daemon
