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
  using namespace fsmeta;  // NOLINT
  const daxcore::Pfn first(superblock_.inode_cluster0);
  if (ino < kInodesPerCluster) return SlotId(first, daxcore::Ino(ino)).offset;
  const auto file = Get<InodeSlot>(SlotId(first, daxcore::Ino(kInoInodeFile)).offset);
  uint64_t block =
      ino / kInodesPerCluster * kClusterBlocks + 1 + ino % kInodesPerCluster / kSlotsPerBlock;
  for (size_t i = 0; i < file.inline_count; ++i) {
    ExtentRecord extent;
    std::memcpy(&extent, file.inline_area + i * sizeof(extent), sizeof(extent));
    if (block >= extent.file_block + extent.length) continue;
    block += extent.block - extent.file_block;
    break;
  }
  return SlotIdInBlock(daxcore::Pfn(block), daxcore::Ino(ino)).offset;
}

uint64_t DamagedImage::FirstBlockOf(uint64_t ino) const {
  const auto slot = Get<fsmeta::InodeSlot>(SlotOffset(ino));
  fsmeta::ExtentRecord extent;
  std::memcpy(&extent, slot.inline_area, sizeof(extent));
  return extent.block << daxcore::kBlockShift;
}

std::vector<std::string> DamagedImage::Findings() const {
  const auto report = fsmeta::CheckFilesystem(bytes_, "image");
  if (!report) return {report.error().Text()};
  std::vector<std::string> lines;
  for (const auto& finding : report->findings()) lines.push_back(finding.Text());
  return lines;
}

}  // namespace holdfast::tests
