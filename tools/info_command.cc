// SPDX-License-Identifier: Apache-2.0
// holdfast info: what a mount, or a region, says of itself.
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string>

#include "daxcore/region.h"
#include "fsmeta/superblock.h"
#include "holdfast/ioctl.h"
#include "tools/dump.h"
#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/mount_file.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Region;
using daxcore::Result;

struct InfoOptions {
  std::string path;
  bool json = false;
};

// The whole of a paged answer.
Result<std::string> Query(const MountFile& file, uint32_t what) {
  std::string text;
  holdfast_query query{};
  do {
    query.size = sizeof(query);
    query.what = what;
    HOLDFAST_TRY(file.Control(HOLDFAST_IOC_QUERY, &query, "ask the daemon of"));
    text.append(query.text, std::min<size_t>(query.count, sizeof(query.text)));
  } while (query.cursor != 0);
  return text;
}

Result<Json> MountInfo(const std::string& path) {
  HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(path, O_RDONLY | O_NONBLOCK));
  HOLDFAST_ASSIGN(const std::string text, Query(file, HOLDFAST_QUERY_INFO));
  Json info = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (info.is_discarded()) return Fail(EPROTO, "the daemon of " + path + " answered no JSON");
  return info;
}

// Reads beside whoever has it mounted: the superblock changes only when it is mounted.
Result<Json> RegionInfo(const std::string& path) {
  HOLDFAST_ASSIGN(const auto region, Region::Open(path, {.read_only = true, .ignore_owner = true}));
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
