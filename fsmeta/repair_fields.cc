// SPDX-License-Identifier: Apache-2.0
// Which values are possible.
#include "fsmeta/repair_fields.h"

#include <sys/stat.h>

#include <initializer_list>

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kKnownFlags = kInodeMayShare | kInodeTruncating | kInodeHasAcl;

}  // namespace

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

void MakeFieldsPossible(InodeSlot* slot) {
  slot->mode &= S_IFMT | 07777U;
  slot->flags &= kKnownFlags;
  if (slot->generation == 0) slot->generation = 1;
  slot->reserved0 = 0;
  slot->reserved1 = 0;
  slot->reserved2[0] = slot->reserved2[1] = 0;
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
