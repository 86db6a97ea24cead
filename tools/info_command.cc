// SPDX-License-Identifier: Apache-2.0
// holdfast info: what a mount, or a region, says of itself.
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string>

#include "daxcore/media_failure.h"
#include "daxcore/region.h"
#include "fsmeta/superblock.h"
#include "tools/dump.h"
#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/mount_file.h"
#include "tools/mount_query.h"

namespace holdfast::tools {
namespace {

using daxcore::Region;
using daxcore::Result;

struct InfoOptions {
  std::string path;
  bool json = false;
};

Result<Json> MountInfo(const std::string& path) {
  holdfast_query question{};
  question.what = HOLDFAST_QUERY_INFO;
  return AskMount(path, question);
}

// Reads beside whoever has it mounted: the superblock changes only when it is mounted.
Result<Json> RegionInfo(const std::string& path) {
  HOLDFAST_ASSIGN(const auto region, Region::Open(path, {.read_only = true, .ignore_owner = true}));
  HOLDFAST_ASSIGN(const auto failure, daxcore::MediaFailure::Watch(*region));
  HOLDFAST_ASSIGN(const auto superblock, fsmeta::ReadSuperblock(*region));
  return Json{{"region", path}, {"superblock", DumpSuperblock(superblock)}};
}

// A file of a mount answers the ioctl; what does not is taken for a region.
Result<Json> Info(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return FailOnFile(errno, "examine", path);
  if (S_ISCHR(status.st_mode)) return RegionInfo(path);
  auto info = MountInfo(path);
  if (!info && info.error().code == EOPNOTSUPP && S_ISREG(status.st_mode)) return RegionInfo(path);
  return info;
}

}  // namespace

void AddInfoCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* sub = app.add_subcommand("info", "show what a mount or a region is");
  sub->add_option("PATH", options->path, "a directory or file of a mount, or a region")->required();
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) -> Result<void> {
      HOLDFAST_ASSIGN(const Json info, Info(options->path));
      Print(out, info, options->json);
      return {};
    };
  });
}

}  // namespace holdfast::tools
