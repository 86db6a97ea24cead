// SPDX-License-Identifier: Apache-2.0
// Keeping the two orders of a directory's hints in step.
#include "fsmeta/directory_hints.h"

#include <algorithm>

#include "fsmeta/directory_block.h"

namespace holdfast::fsmeta {

using daxcore::FileBlock;

std::optional<FileBlock> DirectoryHints::BlockWithRoom(uint32_t bytes) const {
  const auto found = by_room_.lower_bound({bytes, 0});
  if (found == by_room_.end()) return std::nullopt;
  return FileBlock(found->second);
}

void DirectoryHints::Learn(FileBlock block, uint32_t bytes) {
  const auto [entry, is_new] = rooms_.try_emplace(block.value(), bytes);
  if (!is_new) {
    by_room_.erase({entry->second, block.value()});
    entry->second = bytes;
  }
  if (bytes >= kMinRecordBytes) by_room_.emplace(bytes, block.value());
}

void DirectoryHints::Forget(FileBlock block) {
  const auto entry = rooms_.find(block.value());
  if (entry != rooms_.end()) {
    by_room_.erase({entry->second, block.value()});
    rooms_.erase(entry);
  }
  hole_cursor_ = std::min(hole_cursor_, block);
}

}  // namespace holdfast::fsmeta
