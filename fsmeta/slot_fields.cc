// SPDX-License-Identifier: Apache-2.0
// Which values are possible.
#include "fsmeta/slot_fields.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace holdfast::fsmeta {

bool HasKnownType(uint32_t mode) {
  const uint32_t type = mode & S_IFMT;
  return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR ||
         type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
}

bool MayHaveBlocks(uint32_t mode) { return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode); }

bool IsSystemInode(uint64_t ino) { return ino >= kInoInodeFile && ino <= kInoQuarantine; }

bool IsReservedInode(uint64_t ino) {
  return ino == 0 || (ino > kInoQuarantine && ino < kInoFirstFree);
}

bool MayBeTruncating(const InodeSlot& slot) { return S_ISREG(slot.mode) || slot.nlink == 0; }

std::span<const uint8_t> UnusedInlineArea(const InodeSlot& slot) {
  size_t used = 0;
  if (slot.data_form == static_cast<uint8_t>(DataForm::kBytes)) {
    used = std::min<uint64_t>(slot.size, kInlineBytes);
  } else if (slot.data_form == static_cast<uint8_t>(DataForm::kExtents)) {
    used = std::min<size_t>(slot.inline_count, kInlineExtents) * sizeof(ExtentRecord);
  }
  return std::span(slot.inline_area).subspan(used);
}

size_t TargetBytes(std::span<const uint8_t> holder) {
  return strnlen(reinterpret_cast<const char*>(holder.data()), holder.size());
}

void MakeFieldsPossible(InodeSlot* slot) {
  slot->mode &= S_IFMT | 07777U;
  slot->flags &= kKnownInodeFlags;
  if (!MayBeTruncating(*slot)) slot->flags &= ~kInodeTruncating;
  if (slot->generation == 0) slot->generation = 1;
  slot->reserved0 = 0;
  slot->reserved1 = 0;
  slot->reserved2[0] = slot->reserved2[1] = 0;
  if (slot->data_form == static_cast<uint8_t>(DataForm::kBytes) && S_ISLNK(slot->mode)) {
    const size_t bytes = TargetBytes(slot->inline_area);
    if (bytes != 0) slot->size = bytes;
  }
  const auto unused = UnusedInlineArea(*slot);
  std::ranges::fill(std::span(slot->inline_area).last(unused.size()), uint8_t{0});
  if (slot->data_form < static_cast<uint8_t>(DataForm::kTree) && slot->extents.node == 0 &&
      slot->extents.height == 0) {
    slot->extents.kind = 0;
  }
  for (uint32_t* nsec :
       {&slot->atime_nsec, &slot->mtime_nsec, &slot->ctime_nsec, &slot->btime_nsec}) {
    if (*nsec >= 1'000'000'000) *nsec = 0;
  }
  if (!S_ISCHR(slot->mode) && !S_ISBLK(slot->mode)) slot->rdev = 0;
  if (IsSystemInode(slot->header.owner)) slot->nlink = 1;
  if (S_ISDIR(slot->mode)) return;
  slot->parent = 0;
  slot->dir_entries = 0;
  slot->dir_subdirs = 0;
  slot->dir_index = {};
}

}  // namespace holdfast::fsmeta
