// SPDX-License-Identifier: Apache-2.0
// holdfast dump: any structure of a region that is not mounted, by name.
#include <charconv>
#include <memory>
#include <string>

#include "daxcore/media_failure.h"
#include "daxcore/region.h"
#include "fsmeta/check_journal.h"
#include "fsmeta/superblock.h"
#include "tools/dump.h"
#include "tools/holdfast.h"
#include "tools/json_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Region;
using daxcore::Result;
using fsmeta::CheckImage;

struct DumpOptions {
  std::string region;
  std::string what;
  std::string which;
  bool raw = false;
  bool json = false;
};

Json DumpCopy(std::span<const std::byte> media, uint64_t block) {
  const auto copy = fsmeta::ReadSuperblockCopy(media, block << daxcore::kBlockShift);
  return copy ? DumpSuperblock(*copy) : Json{{"fault", fsmeta::ReasonOf(copy.error())}};
}

Result<uint64_t> NumberOf(const DumpOptions& options) {
  uint64_t number = 0;
  const char* const end = options.which.data() + options.which.size();
  const auto [stop, error] = std::from_chars(options.which.data(), end, number);
  if (options.which.empty() || error != std::errc() || stop != end) {
    return Fail(EINVAL, "dump " + options.what + " needs a number, not '" + options.which + "'");
  }
  return number;
}

Result<Json> DumpFrom(const Region& region, const DumpOptions& options) {
  const std::span media(region.base(), region.size());
  HOLDFAST_ASSIGN(const auto superblock, fsmeta::ReadSuperblock(region));
  CheckImage image(media, superblock);
  if (!options.raw) {
    fsmeta::CheckReport report;
    fsmeta::CheckState state{.image = image, .report = report};
    fsmeta::CheckJournal(state);
  }
  if (options.what == "superblock") {
    return Json{{"superblock", DumpCopy(media, 0)},
                {"copy", DumpCopy(media, superblock.block_count - 1)}};
  }
  if (options.what == "journal") return DumpJournal(image);
  if (options.what == "tree") return DumpTree(image, options.which);
  HOLDFAST_ASSIGN(const uint64_t number, NumberOf(options));
  return options.what == "inode" ? DumpInode(image, number) : DumpGroup(image, number);
}

// What lies in failed memory reads as zeroes; the answer says so.
Result<Json> Dump(const DumpOptions& options) {
  HOLDFAST_ASSIGN(const auto region, Region::Open(options.region, {.read_only = true}));
  HOLDFAST_ASSIGN(const auto failure, daxcore::MediaFailure::Watch(*region));
  HOLDFAST_ASSIGN(Json dumped, DumpFrom(*region, options));
  if (failure->poisoned_loads() != 0) {
    dumped["failed_memory_at"] = failure->poisoned_at();
  }
  return dumped;
}

}  // namespace

void AddDumpCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<DumpOptions>();
  CLI::App* sub = app.add_subcommand("dump", "show a structure of a region that is not mounted");
  sub->add_option("REGION", options->region, "device or file made by mkfs.holdfast")->required();
  sub->add_option("WHAT", options->what, "superblock, journal, inode N, group N or tree NAME")
      ->required()
      ->check(CLI::IsMember({"superblock", "journal", "inode", "group", "tree"}));
  sub->add_option("WHICH", options->which, "its number or name");
  sub->add_flag("--raw", options->raw, "as it lies there, not as the journal's replay leaves it");
  sub->add_flag("--json", options->json, "one JSON object");
  sub->footer("Trees: refcounts:GROUP, reverse-map:GROUP, extents:INODE, directory:INODE.");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) -> Result<void> {
      HOLDFAST_ASSIGN(const Json dumped, Dump(*options));
      Print(out, dumped, options->json);
      return {};
    };
  });
}

}  // namespace holdfast::tools
