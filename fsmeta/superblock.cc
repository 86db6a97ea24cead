// SPDX-License-Identifier: Apache-2.0
// What makes a superblock acceptable, and which of its two copies counts.
#include "fsmeta/superblock.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <string>

#include "absl/strings/str_format.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMaxBlocks = uint64_t{1} << 48;
constexpr uint64_t kMaxSequence = uint64_t{1} << 63;  // millions of mounts
constexpr uint64_t kMaxLanes = 4096;
constexpr uint64_t kMaxLaneBlocks = 65536;

bool HasMagic(std::span<const std::byte> media, uint64_t offset) {
  const std::byte* magic = media.data() + offset + offsetof(Superblock, fs_magic);
  return std::memcmp(magic, kFilesystemMagic, sizeof(kFilesystemMagic)) == 0;
}

Result<void> CheckVersion(const Superblock& superblock) {
  if (superblock.version > kFormatVersion) {
    return Fail(EOPNOTSUPP, absl::StrFormat("has format version %d, this program knows up to %d; "
                                            "use a newer Holdfast",
                                            superblock.version, kFormatVersion));
  }
  if (const uint64_t unknown = superblock.incompat & ~kKnownIncompat; unknown != 0) {
    return Fail(EOPNOTSUPP, absl::StrFormat("has incompatible features %#x that this program does "
                                            "not know; use a newer Holdfast",
                                            unknown));
  }
  return {};
}

// A field and the bounds it must keep. Later ones may rely on those before.
Result<void> CheckField(const char* field, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return Fail(EUCLEAN, absl::StrFormat("superblock field %s is %d, expected %d to %d", field, value,
                                       least, most));
}

Result<void> CheckGroups(const Superblock& s) {
  HOLDFAST_TRY(CheckField("block_bytes", s.block_bytes, kBlockSize, kBlockSize));
  HOLDFAST_TRY(CheckField("sequence", s.header.sequence, 0, kMaxSequence));
  HOLDFAST_TRY(
      CheckField("block_count", s.block_count, kMinRegionBytes / kBlockSize / 2, kMaxBlocks));
  HOLDFAST_TRY(CheckField("group_blocks", s.group_blocks, kMinGroupBlocks, kGroupBlocksMax));
  HOLDFAST_TRY(CheckField("bits of group_blocks",
                          static_cast<uint64_t>(std::popcount(s.group_blocks)), 1, 1));
  const uint64_t groups = (s.block_count + s.group_blocks - 1) / s.group_blocks;
  HOLDFAST_TRY(CheckField("group_count", s.group_count, groups, groups));
  const uint64_t tail = s.block_count - (groups - 1) * s.group_blocks;
  HOLDFAST_TRY(CheckField("blocks of the last group", tail, kMaxTailBlocks + 1, s.group_blocks));
  if (s.geometry_shift != 21 && s.geometry_shift != 30) {
    HOLDFAST_TRY(CheckField("geometry_shift", s.geometry_shift, kBlockShift, kBlockShift));
  }
  return {};
}

Result<void> CheckPlaces(const Superblock& s) {
  const GroupLayout group0 = LayoutOfGroup(s, 0);
  // The copy is the last block; where there is one group only, it is in that one.
  const uint64_t end = std::min(group0.blocks.value(), s.block_count - 1);
  const uint64_t first = group0.first_usable.value();
  HOLDFAST_TRY(CheckField("lane_count", s.lane_count, 1, kMaxLanes));
  HOLDFAST_TRY(CheckField("lane_blocks", s.lane_blocks, 1, kMaxLaneBlocks));
  HOLDFAST_TRY(CheckField("journal_start", s.journal_start, first, end));
  const uint64_t lanes_end = s.journal_start + uint64_t{s.lane_count} * s.lane_blocks;
  HOLDFAST_TRY(CheckField("end of the journal", lanes_end, first, end));
  HOLDFAST_TRY(CheckField("inode_cluster0", s.inode_cluster0, lanes_end, end));
  HOLDFAST_TRY(CheckField("end of the first inode cluster", s.inode_cluster0 + kClusterBlocks,
                          lanes_end, end));
  return CheckField("reserve_blocks", s.reserve_blocks, 0, s.block_count);
}

// Where the copy may be when the primary does not tell, most likely first.
std::array<uint64_t, kMaxTailBlocks + 1> CopyCandidates(uint64_t blocks) {
  std::array<uint64_t, kMaxTailBlocks + 1> offsets{};
  for (uint64_t i = 0; i < offsets.size(); ++i) {
    offsets[i] = (blocks - 1 - std::min(i, blocks - 1)) << kBlockShift;
  }
  return offsets;
}

Result<Superblock> FindCopy(std::span<const std::byte> media, const Result<Superblock>& primary) {
  const uint64_t blocks = media.size() >> kBlockShift;
  if (primary) {
    if (primary->block_count > blocks) return Fail(ENXIO);
    return ReadSuperblockCopy(media, (primary->block_count - 1) << kBlockShift);
  }
  Result<Superblock> found = Fail(EINVAL, "has no magic");
  for (const uint64_t offset : CopyCandidates(blocks)) {
    auto copy = ReadSuperblockCopy(media, offset);
    if (copy) return copy;
    if (found.error().code == EINVAL) found = std::move(copy);
  }
  return found;
}

std::unexpected<Error> NeitherIsSound(std::string_view name, uint64_t bytes, const Error& primary,
                                      const Error& copy) {
  if (primary.code == EINVAL && copy.code == EINVAL) {
    if (bytes < kMinRegionBytes) {
      return Fail(EINVAL, absl::StrFormat("region %s is too small: %d bytes, a filesystem needs at "
                                          "least %d",
                                          name, bytes, kMinRegionBytes));
    }
    return Fail(EINVAL, absl::StrFormat("region %s holds no Holdfast filesystem: no magic at its "
                                        "start or end; format it with mkfs.holdfast",
                                        name));
  }
  for (const Error* error : {&primary, &copy}) {
    if (error->code != EOPNOTSUPP) continue;
    return Fail(EOPNOTSUPP,
                absl::StrFormat("the filesystem on region %s %s", name, error->message));
  }
  return Fail(EUCLEAN,
              absl::StrFormat("both superblocks of region %s are corrupt (first: %s; copy: "
                              "%s); restore the region from a backup",
                              name, primary.message, copy.message));
}

}  // namespace

bool LooksFormatted(std::span<const std::byte> media) {
  if (HasMagic(media, 0)) return true;
  const auto offsets = CopyCandidates(media.size() >> kBlockShift);
  return std::ranges::any_of(offsets, [&](uint64_t offset) { return HasMagic(media, offset); });
}

Result<Superblock> ReadSuperblockCopy(std::span<const std::byte> media, uint64_t offset) {
  if (!HasMagic(media, offset)) return Fail(EINVAL, "has no magic");
  Superblock superblock;
  std::memcpy(&superblock, media.data() + offset, sizeof(superblock));
  HOLDFAST_TRY(CheckObject(&superblock, {ObjectType::kSuperblock, offset, kMetadataBlock, 0},
                           UuidOf(superblock)));
  HOLDFAST_TRY(CheckVersion(superblock));
  HOLDFAST_TRY(CheckGeometry(superblock));
  return superblock;
}

Result<void> CheckGeometry(const Superblock& superblock) {
  HOLDFAST_TRY(CheckGroups(superblock));
  return CheckPlaces(superblock);
}

Uuid UuidOf(const Superblock& superblock) {
  Uuid uuid;
  std::memcpy(uuid.data(), superblock.header.uuid, uuid.size());
  return uuid;
}

Result<Superblock> ReadSuperblock(std::span<const std::byte> media, std::string_view name) {
  const auto primary = ReadSuperblockCopy(media, 0);
  const auto copy = FindCopy(media, primary);
  if (!primary && !copy) {
    return NeitherIsSound(name, media.size(), primary.error(), copy.error());
  }
  const bool copy_counts = !primary || (copy && copy->header.sequence > primary->header.sequence);
  const Superblock& chosen = copy_counts ? *copy : *primary;
  if (const uint64_t bytes = chosen.block_count << kBlockShift; bytes > media.size()) {
    return Fail(ENXIO, absl::StrFormat("region %s is truncated: its filesystem has %d bytes, the "
                                       "region %d; bring back the rest of it",
                                       name, bytes, media.size()));
  }
  return chosen;
}

Result<Superblock> ReadSuperblock(const Region& region) {
  return ReadSuperblock({region.base(), region.size()}, region.path());
}

Result<void> CheckWritable(const Superblock& superblock, std::string_view name) {
  const uint64_t unknown = superblock.ro_compat & ~kKnownRoCompat;
  if (unknown == 0) return {};
  return Fail(EROFS, absl::StrFormat("the filesystem on region %s has features %#x that this "
                                     "program cannot write; mount it with -o ro, or use a newer "
                                     "Holdfast",
                                     name, unknown));
}

Result<void> CheckDurable(const Superblock& superblock, const Region& region) {
  if (region.facts().kind != daxcore::RegionKind::kEmulated) return {};
  if ((superblock.flags & kFlagEmulated) != 0) return {};
  return Fail(EOPNOTSUPP,
              absl::StrFormat("region %s is not persistent memory, which its filesystem was made "
                              "for (without --emulate): mount the file system that it lies on with "
                              "DAX (-o dax), or this one with -o ro",
                              region.path()));
}

void WriteSuperblock(Region& region, Superblock superblock) {
  const uint64_t copy = (superblock.block_count - 1) << kBlockShift;
  // Where the primary is lost, the copy is all there is: it must not be the first to be torn.
  const bool primary_is_sound = ReadSuperblockCopy({region.base(), region.size()}, 0).has_value();
  const uint64_t last = primary_is_sound ? 0 : copy;
  for (const uint64_t offset : {copy - last, last}) {
    SealObject(&superblock, {ObjectType::kSuperblock, offset, kMetadataBlock, 0},
               UuidOf(superblock), superblock.header.sequence);
    region.persist().CopyNt(region.Target(offset), &superblock, sizeof(superblock));
    if (offset == last || !Seeded(SeededBug::kBothSuperblocksAtOnce)) region.persist().Drain();
  }
}

Superblock RecordMount(Region& region, Superblock superblock,
                       const std::array<uint8_t, 16>& boot_id) {
  ++superblock.mount_count;
  superblock.header.sequence =
      AlignDown(superblock.header.sequence, kSequencesPerMount) + kSequencesPerMount;
  std::ranges::copy(boot_id, superblock.boot_id);
  superblock.mounted_at =
      static_cast<uint64_t>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  superblock.shutdown_reason = 0;
  WriteSuperblock(region, superblock);
  return superblock;
}

}  // namespace holdfast::fsmeta
