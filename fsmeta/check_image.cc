// SPDX-License-Identifier: Apache-2.0
// Overlaying the journal, and the checks that every object has in common.
#include "fsmeta/check_image.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {

void CheckImage::Apply(const LiveRecord& record) {
  for (size_t i = 0; i < record.lines.size(); ++i) {
    const uint64_t offset = record.lines[i] * kLine;
    auto& block = patched_[offset >> kBlockShift];
    if (block == nullptr) {
      block = std::make_unique_for_overwrite<std::byte[]>(kBlockSize);
      std::memcpy(block.get(), media_.data() + AlignDown(offset, kBlockSize), kBlockSize);
    }
    std::memcpy(block.get() + offset % kBlockSize, record.bytes.data() + i * kLine, kLine);
  }
}

const std::byte* CheckImage::BlockAt(uint64_t block) const {
  if (!patched_.empty()) {
    const auto found = patched_.find(block);
    if (found != patched_.end()) return found->second.get();
  }
  return media_.data() + (block << kBlockShift);
}

Result<const void*> CheckImage::Load(const ObjectId& id) {
  const uint64_t block = id.offset >> kBlockShift;
  if (id.offset % id.size != 0 || block >= superblock_.block_count) {
    return Fail(EUCLEAN, absl::StrCat("byte ", id.offset, " lies outside the filesystem"));
  }
  const std::byte* object = BlockAt(block) + id.offset % kBlockSize;
  HOLDFAST_TRY(CheckObject(object, id, UuidOf(superblock_)));
  ObjectHeader header;
  std::memcpy(&header, object, sizeof(header));
  if (header.reserved[0] != 0 || header.reserved[1] != 0) {
    return Fail(EUCLEAN,
                absl::StrCat("byte ", id.offset, ": reserved words of its header are not 0"));
  }
  if (header.sequence > superblock_.header.sequence + kSequencesPerMount) {
    return Fail(EUCLEAN, absl::StrCat("byte ", id.offset, ": its sequence ", header.sequence,
                                      " has not been given out yet"));
  }
  return object;
}

}  // namespace holdfast::fsmeta
