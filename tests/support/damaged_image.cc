// SPDX-License-Identifier: Apache-2.0
// Places in an image, and checking it.
#include "tests/support/damaged_image.h"

#include "fsmeta/checker.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"

namespace holdfast::tests {

uint64_t DamagedImage::GroupOffset(uint64_t group) const {
  return daxcore::ByteOffset(fsmeta::LayoutOfGroup(superblock_, group).header);
}

uint64_t DamagedImage::BitmapOffset(uint64_t group) const {
  return daxcore::ByteOffset(fsmeta::LayoutOfGroup(superblock_, group).bitmap);
}

uint64_t DamagedImage::SlotOffset(uint64_t ino) const {
  return fsmeta::SlotId(daxcore::Pfn(superblock_.inode_cluster0), daxcore::Ino(ino)).offset;
}

std::vector<std::string> DamagedImage::Findings() const {
  const auto report = fsmeta::CheckFilesystem(bytes_, "image");
  if (!report) return {report.error().Text()};
  std::vector<std::string> lines;
  for (const auto& finding : report->findings()) lines.push_back(finding.Text());
  return lines;
}

}  // namespace holdfast::tests
