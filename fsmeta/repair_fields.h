// SPDX-License-Identifier: Apache-2.0
// The fields of one inode slot that are judged by themselves.
#pragma once

#include <cstdint>

#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// Regular file, directory, symlink, device, fifo or socket?
bool HasKnownType(uint32_t mode);
/// May an inode of that type have blocks?
bool MayHaveBlocks(uint32_t mode);
/// Inodes 2 to 4.
bool IsSystemInode(uint64_t ino);
/// 0 and 5 to 15.
bool IsReservedInode(uint64_t ino);

/// Makes impossible values of a slot in use possible: unknown bits, reserved words, fields that
/// another type has. Not the extents, nor what follows from other objects.
void MakeFieldsPossible(InodeSlot* slot);

}  // namespace holdfast::fsmeta
