// SPDX-License-Identifier: Apache-2.0
// holdfast extents: where a file's bytes are in the region.
#include <fcntl.h>

#include <iomanip>
#include <memory>
#include <vector>

#include "holdfast/ioctl.h"
#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/mount_file.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct ExtentsOptions {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool json = false;
};

const char* StateName(uint32_t state) {
  switch (state) {
    case HOLDFAST_HOLE:
      return "hole";
    case HOLDFAST_UNWRITTEN:
      return "unwritten";
    case HOLDFAST_WRITTEN:
      return "written";
    case HOLDFAST_SHARED:
      return "shared";
    default:
      return "unknown";
  }
}

// All pages of the answer.
Result<std::vector<holdfast_extent>> ReadExtents(const MountFile& file, uint64_t offset,
                                                 uint64_t length) {
  std::vector<holdfast_extent> extents;
  uint64_t at = offset;
  for (;;) {
    holdfast_layout page{};
    page.size = sizeof(page);
    page.offset = at;
    page.length = length == 0 ? 0 : offset + length - at;
    HOLDFAST_TRY(file.Control(HOLDFAST_IOC_LAYOUT, &page, "show extents of"));
    const uint32_t count = std::min<uint32_t>(page.count, HOLDFAST_LAYOUT_MAX);
    extents.insert(extents.end(), page.extents, page.extents + count);
    const bool at_end = length != 0 && page.next >= offset + length;
    if (count == 0 || page.next <= at || at_end) return extents;
    at = page.next;
  }
}

Json ToJson(const std::vector<holdfast_extent>& extents) {
  Json list = Json::array();
  for (const auto& extent : extents) {
    const bool hole = extent.state == HOLDFAST_HOLE;
    list.push_back({{"file_offset", extent.file_offset},
                    {"region_offset", hole ? Json(nullptr) : Json(extent.region_offset)},
                    {"length", extent.length},
                    {"state", StateName(extent.state)}});
  }
  return {{"extents", std::move(list)}};
}

void PrintTable(const std::vector<holdfast_extent>& extents, std::ostream& out) {
  constexpr int kWidth = 16;
  out << std::setw(kWidth) << "file offset" << std::setw(kWidth) << "region offset"
      << std::setw(kWidth) << "length"
      << "  state\n";
  for (const auto& extent : extents) {
    out << std::setw(kWidth) << extent.file_offset << std::setw(kWidth);
    if (extent.state == HOLDFAST_HOLE) {
      out << '-';
    } else {
      out << extent.region_offset;
    }
    out << std::setw(kWidth) << extent.length << "  " << StateName(extent.state) << '\n';
  }
}

Result<void> ShowExtents(const ExtentsOptions& options, std::ostream& out) {
  HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(options.file, O_RDONLY));
  HOLDFAST_ASSIGN(const auto extents, ReadExtents(file, options.offset, options.length));
  if (options.json) {
    PrintJson(out, ToJson(extents));
  } else {
    PrintTable(extents, out);
  }
  return {};
}

}  // namespace

void AddExtentsCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<ExtentsOptions>();
  CLI::App* sub = app.add_subcommand("extents", "show where the bytes of a file are");
  sub->add_option("FILE", options->file, "a file of a Holdfast mount")->required();
  AddSize(*sub, "--offset", options->offset, "first byte to show");
  AddSize(*sub, "--length", options->length, "bytes to show; default: to the end of the file");
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) { return ShowExtents(*options, out); };
  });
}

}  // namespace holdfast::tools
