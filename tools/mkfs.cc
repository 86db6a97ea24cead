// SPDX-License-Identifier: Apache-2.0
// The decisions of mkfs: what may be overwritten, what has to be created.
#include "tools/mkfs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daxcore/region.h"
#include "fsmeta/format_region.h"
#include "fsmeta/superblock.h"
#include "fsmeta/uuid_text.h"
#include "tools/json_text.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Region;
using daxcore::Result;

constexpr char kName[] = "mkfs.holdfast";

struct MkfsOptions {
  std::string region;
  uint64_t size = 0;  // 0 = not given
  bool emulate = false;
  bool force = false;
  bool json = false;
  std::string label;
  std::string uuid;
  std::string geometry;  // empty = what the region demands
};

const char* GeometryText(uint32_t shift) { return shift == 30 ? "1G" : shift == 21 ? "2M" : "4K"; }

Result<fsmeta::FormatOptions> FormatOptionsOf(const MkfsOptions& options) {
  fsmeta::FormatOptions format;
  format.label = options.label;
  format.emulated = options.emulate;
  format.geometry_shift = options.geometry == "1G" ? 30 : options.geometry == "2M" ? 21 : 12;
  if (!options.uuid.empty()) {
    format.uuid = fsmeta::ParseUuid(options.uuid);
    if (!format.uuid) return Fail(EINVAL, "cannot use uuid " + options.uuid + ": malformed");
  }
  return format;
}

// Makes or remakes the emulated file if that was asked for. Returns true if it is new.
Result<bool> PrepareFile(const MkfsOptions& options, const fsmeta::FormatOptions& format) {
  struct stat file;
  const bool exists = stat(options.region.c_str(), &file) == 0;
  if (!options.emulate) {
    if (options.size != 0) {
      return Fail(EINVAL, "--size is for emulated regions, which --emulate makes; " +
                              options.region + " has the size it has");
    }
    return false;
  }
  if (exists && !S_ISREG(file.st_mode)) {
    return Fail(EINVAL, options.region + " is no plain file; --emulate is only for those");
  }
  const bool as_it_is =
      exists && (options.size == 0 || options.size == static_cast<uint64_t>(file.st_size));
  if (as_it_is) return false;
  if (options.size == 0) {
    return Fail(ENOENT, options.region + " does not exist; say how large to make it with --size");
  }
  // What could never be formatted is not worth creating.
  const auto plan = fsmeta::PlanFilesystem(options.size, format);
  if (!plan) return Fail(EINVAL, options.region + ": " + plan.error().Text());
  HOLDFAST_TRY(Region::CreateEmulatedFile(options.region, options.size, options.force));
  return !exists;
}

// Does the region hold anything that somebody may want to keep?
Result<void> CheckNothingIsLost(const Region& region) {
  const std::span media(region.base(), region.size());
  if (const auto old = fsmeta::ReadSuperblock(media, region.path())) {
    return Fail(EEXIST, absl::StrCat(region.path(), " holds a filesystem already (uuid ",
                                     fsmeta::UuidText(fsmeta::UuidOf(*old)),
                                     "); use --force to destroy it"));
  }
  // Other filesystems have their first superblock in the first 68 KiB.
  const auto first = media.first(std::min<size_t>(media.size(), 68 * 1024));
  const bool empty = std::ranges::all_of(first, [](std::byte b) { return b == std::byte{0}; });
  if (!empty || fsmeta::LooksFormatted(media)) {
    return Fail(EEXIST, region.path() + " holds data already; use --force to overwrite it");
  }
  return {};
}

Result<void> CheckMemoryIsGood(const Region& region) {
  HOLDFAST_ASSIGN(const auto bad, region.BadRanges());
  if (bad.empty()) return {};
  return Fail(EIO, absl::StrCat(region.path(), " has ", bad.size(), " bad ranges, the first at ",
                                "byte ", bad.front().offset,
                                "; clear them with ndctl clear-errors, or use --force"));
}

void Report(const MkfsOptions& options, const Region& region, const fsmeta::Superblock& superblock,
            std::ostream& out) {
  const std::string uuid = fsmeta::UuidText(fsmeta::UuidOf(superblock));
  const uint64_t block = superblock.block_bytes;
  if (options.json) {
    const Json report = {
        {"region", region.path()},
        {"uuid", uuid},
        {"label", options.label},
        {"bytes", superblock.block_count * block},
        {"group_bytes", superblock.group_blocks * block},
        {"groups", superblock.group_count},
        {"journal_lanes", superblock.lane_count},
        {"journal_lane_bytes", superblock.lane_blocks * block},
        {"geometry_bytes", uint64_t{1} << superblock.geometry_shift},
        {"emulated", (superblock.flags & fsmeta::kFlagEmulated) != 0},
    };
    PrintJson(out, report);
    return;
  }
  out << region.path() << ": " << SizeText(superblock.block_count * block) << ", "
      << superblock.group_count << " groups of " << SizeText(superblock.group_blocks * block)
      << ", " << superblock.lane_count << " journal lanes of "
      << SizeText(superblock.lane_blocks * block) << ", geometry "
      << GeometryText(superblock.geometry_shift) << (options.emulate ? ", emulated" : "")
      << "\nuuid " << uuid << '\n';
}

// Programs can map a devdax device in units of its alignment only.
Result<void> SettleGeometry(const MkfsOptions& options, const Region& region,
                            fsmeta::FormatOptions* format) {
  const auto demanded = static_cast<uint32_t>(std::countr_zero(region.facts().alignment));
  if (options.geometry.empty()) format->geometry_shift = std::max(format->geometry_shift, demanded);
  if (format->geometry_shift >= demanded) return {};
  return Fail(EINVAL, absl::StrCat(region.path(), " can be mapped in units of ",
                                   GeometryText(demanded), " only, so its geometry cannot be ",
                                   options.geometry, "; leave --geometry out"));
}

Result<void> Make(const MkfsOptions& options, std::ostream& out) {
  HOLDFAST_ASSIGN(fsmeta::FormatOptions format, FormatOptionsOf(options));
  HOLDFAST_ASSIGN(const bool is_new, PrepareFile(options, format));
  absl::Cleanup undo = [&] { unlink(options.region.c_str()); };
  if (!is_new) std::move(undo).Cancel();
  HOLDFAST_ASSIGN(const auto region,
                  Region::Open(options.region, {.allow_emulated = options.emulate}));
  HOLDFAST_TRY(SettleGeometry(options, *region, &format));
  if (!options.force) {
    HOLDFAST_TRY(CheckNothingIsLost(*region));
    HOLDFAST_TRY(CheckMemoryIsGood(*region));
  }
  if (auto made = fsmeta::FormatRegion(*region, format); !made) {
    return Fail(made.error().code, options.region + ": " + made.error().Text());
  }
  HOLDFAST_TRY(region->DeepFlush(0, region->size()));
  HOLDFAST_ASSIGN(const auto superblock, fsmeta::ReadSuperblock(*region));
  Report(options, *region, superblock, out);
  HOLDFAST_TRY(region->Release());
  if (is_new) std::move(undo).Cancel();
  return {};
}

}  // namespace

int MkfsMain(const Arguments& arguments, const Streams& streams) {
  MkfsOptions options;
  CLI::App app("Make a Holdfast filesystem on persistent memory, or on a file that emulates it.",
               kName);
  app.add_option("REGION", options.region, "devdax device, file on a DAX mount, or plain file")
      ->required();
  AddSize(app, "--size", options.size, "with --emulate: make REGION a file of this size");
  app.add_flag("--emulate", options.emulate,
               "REGION is a plain file; count its stores as persistent");
  app.add_option("--label", options.label, "a name for the filesystem, up to 64 bytes");
  app.add_option("--uuid", options.uuid, "instead of a random one");
  app.add_option("--geometry", options.geometry,
                 "alignment of mappings handed to programs; without it, what REGION demands")
      ->check(CLI::IsMember({"4K", "2M", "1G"}));
  app.add_flag("--force", options.force, "overwrite whatever REGION holds");
  app.add_flag("--json", options.json, "tell what was made as one JSON object");
  if (const auto exit = Parse(app, arguments, streams)) return *exit;
  return Finish(streams, kName, Make(options, streams.out));
}

}  // namespace holdfast::tools
