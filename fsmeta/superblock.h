// SPDX-License-Identifier: Apache-2.0
// Reading the superblock with its copy to fall back to, judging it, and writing both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "fsmeta/format.h"
#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

inline constexpr uint64_t kMinRegionBytes = uint64_t{4} << 20;
/// The filesystem ends at most this many blocks before its region, so the copy can be found
/// without the primary: what is left over at the end may be too small for a group.
inline constexpr uint64_t kMaxTailBlocks = 2;
inline constexpr uint64_t kMinGroupBlocks = 64;

/// Is there something in block 0 or at the end of the region that a mount might accept?
bool LooksFormatted(std::span<const std::byte> media);

/// The sound copy with the higher sequence. `name` is the region's name for errors, each one line:
/// EINVAL: no filesystem, or a region too small for one. EOPNOTSUPP: a newer, incompatible format.
/// EUCLEAN: both copies corrupt. ENXIO: the region is shorter than the filesystem.
Result<Superblock> ReadSuperblock(std::span<const std::byte> media, std::string_view name);
Result<Superblock> ReadSuperblock(const Region& region);

/// One copy by itself, at byte `offset` < media.size() - 4095: identity, checksum, format version,
/// geometry. Errors as above, but without the region's name and size.
Result<Superblock> ReadSuperblockCopy(std::span<const std::byte> media, uint64_t offset);

/// Are the numbers of a superblock of this version possible? EUCLEAN names the first field that is
/// not.
Result<void> CheckGeometry(const Superblock& superblock);

Uuid UuidOf(const Superblock& superblock);

/// EROFS if this version may not write such a filesystem (unknown ro_compat features).
Result<void> CheckWritable(const Superblock& superblock, std::string_view name);

/// EOPNOTSUPP if the filesystem was made for persistent memory, and here stores to the region are
/// not durable: a plain file without DAX, which only a filesystem made with --emulate may be on.
Result<void> CheckDurable(const Superblock& superblock, const Region& region);

/// Seals and writes both copies durably, one after the other, so that one of them is sound whenever
/// the power fails; one that is lost comes first.
void WriteSuperblock(Region& region, Superblock superblock);

/// Notes a writable mount (count, boot id, time) and starts a new range of sequence numbers. After
/// the journal was replayed; the Medium of the mount is made from what this returns.
Superblock RecordMount(Region& region, Superblock superblock,
                       const std::array<uint8_t, 16>& boot_id = daxcore::CurrentBootId());

}  // namespace holdfast::fsmeta
