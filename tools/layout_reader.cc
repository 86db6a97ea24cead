// SPDX-License-Identifier: Apache-2.0
// Reading the layout page by page, and showing it.
#include "tools/layout_reader.h"

#include <algorithm>
#include <iomanip>
#include <utility>

namespace holdfast::tools {

using daxcore::Result;

namespace {

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

}  // namespace

Result<std::vector<holdfast_extent>> ReadExtents(const MountFile& file, uint64_t offset,
                                                 uint64_t length, uint64_t lease) {
  std::vector<holdfast_extent> extents;
  uint64_t at = offset;
  for (;;) {
    holdfast_layout page{};
    page.size = sizeof(page);
    page.offset = at;
    page.length = length == 0 ? 0 : offset + length - at;
    page.lease = lease;
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

}  // namespace holdfast::tools
