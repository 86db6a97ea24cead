// SPDX-License-Identifier: Apache-2.0
// The fields of one inode slot that are judged by themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fsmeta/format.h"

namespace holdfast::fsmeta {

inline constexpr uint64_t kMaxFileBytes = uint64_t{1} << 60;
inline constexpr size_t kMaxSymlinkBytes = 4095;
inline constexpr uint32_t kKnownInodeFlags = kInodeMayShare | kInodeTruncating | kInodeHasAcl;

/// Regular file, directory, symlink, device, fifo or socket?
bool HasKnownType(uint32_t mode);
/// May an inode of that type have blocks?
bool MayHaveBlocks(uint32_t mode);
/// Inodes 2 to 4.
bool IsSystemInode(uint64_t ino);
/// 0 and 5 to 15.
bool IsReservedInode(uint64_t ino);

/// May an inode of that type be cut in steps? One that is deleted may be of any.
bool MayBeTruncating(const InodeSlot& slot);
/// The bytes of `inline_area` that its form does not use. They are 0.
std::span<const uint8_t> UnusedInlineArea(const InodeSlot& slot);
/// Bytes of a symlink's target, which ends before the first NUL of what holds it.
size_t TargetBytes(std::span<const uint8_t> holder);

/// Makes impossible values of a slot in use possible: unknown bits, reserved words, fields that
/// another type has. Not the extents, nor what follows from other objects.
void MakeFieldsPossible(InodeSlot* slot);

}  // namespace holdfast::fsmeta
