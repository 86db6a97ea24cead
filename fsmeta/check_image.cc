// SPDX-License-Identifier: Apache-2.0
// Overlaying the journal, and the checks that every object has in common.
#include "fsmeta/check_image.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {

void CheckImage::Apply(const LiveRecord& record) {
  for (size_t i = 0; i < record.lines.size(); ++i) {
    const uint64_t offset = record.lines[i] * kLine;
    std::byte* block = Edit(Pfn(offset >> kBlockShift));
    std::memcpy(block + offset % kBlockSize, record.bytes.data() + i * kLine, kLine);
  }
}

std::byte* CheckImage::Edit(Pfn pfn) {
  auto& block = patched_[pfn.value()];
  if (block == nullptr) {
    block = std::make_unique_for_overwrite<std::byte[]>(kBlockSize);
    std::memcpy(block.get(), media_.data() + ByteOffset(pfn), kBlockSize);
  }
  return block.get();
}

void CheckImage::ForEachEdited(absl::FunctionRef<void(Pfn, const std::byte*)> fn) const {
  std::vector<uint64_t> blocks;
  blocks.reserve(patched_.size());
  for (const auto& [block, bytes] : patched_) blocks.push_back(block);
  std::ranges::sort(blocks);
  for (const uint64_t block : blocks) fn(Pfn(block), patched_.at(block).get());
}

const std::byte* CheckImage::BlockAt(uint64_t block) const {
  if (!patched_.empty()) {
    const auto found = patched_.find(block);
    if (found != patched_.end()) return found->second.get();
  }
  return media_.data() + (block << kBlockShift);
}

const char* CheckImage::FaultInRun(uint64_t block, uint64_t blocks) const {
  if (blocks == 0) return "is empty";
  if (!Contains(block, blocks)) return "lies outside the filesystem";
  const uint64_t group = block / superblock_.group_blocks;
  const uint64_t end = block + blocks;
  if (group != (end - 1) / superblock_.group_blocks) return "crosses the end of a group";
  const uint64_t journal_end =
      superblock_.journal_start + uint64_t{superblock_.lane_count} * superblock_.lane_blocks;
  if (block < LayoutOfGroup(superblock_, group).first_usable.value() ||
      end == superblock_.block_count || (block < journal_end && superblock_.journal_start < end)) {
    return "lies where no file may be";
  }
  return nullptr;
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
  auto checked = CheckHeader(header, id);
  if (!checked && mending_) {
    std::byte* copy = Edit(Pfn(block)) + id.offset % kBlockSize;
    header.reserved[0] = header.reserved[1] = 0;
    std::memcpy(copy, &header, sizeof(header));
    SealObject(copy, {id.type, id.offset, id.size, header.owner}, UuidOf(superblock_),
               superblock_.header.sequence);
    ++mended_;
    return copy;
  }
  if (!checked) return Pass(std::move(checked));
  return object;
}

Result<void> CheckImage::CheckHeader(const ObjectHeader& header, const ObjectId& id) const {
  if (header.reserved[0] != 0 || header.reserved[1] != 0) {
    return Fail(EUCLEAN,
                absl::StrCat("byte ", id.offset, ": reserved words of its header are not 0"));
  }
  if (header.sequence > superblock_.header.sequence + kSequencesPerMount) {
    return Fail(EUCLEAN, absl::StrCat("byte ", id.offset, ": its sequence ", header.sequence,
                                      " has not been given out yet"));
  }
  return {};
}

}  // namespace holdfast::fsmeta
