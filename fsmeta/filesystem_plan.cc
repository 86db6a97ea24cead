// SPDX-License-Identifier: Apache-2.0
// Choosing the layout of a new filesystem.
#include "fsmeta/filesystem_plan.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Lanes bound how many transactions commit at once and how much one may change without spilling.
struct LaneChoice {
  uint64_t from_bytes;
  uint32_t count;
  uint32_t blocks;
};
constexpr LaneChoice kLaneChoices[] = {
    {16 * 1024 * kMiB, 64, 64}, {256 * kMiB, 16, 64}, {16 * kMiB, 8, 16}, {0, 4, 8}};

// What a removal may need at once on a full filesystem, and about 1 % of what it cannot hurt.
constexpr uint64_t kMinReserve = 32;
constexpr uint64_t kMaxReserve = 8192;

uint64_t RandomWord() {
  uint64_t word = 0;
  // Reads of up to 256 bytes are never short once the kernel is up.
  while (getrandom(&word, sizeof(word), 0) != sizeof(word)) {
  }
  return word;
}

// Version 4, variant 1 (RFC 9562).
Uuid RandomUuid() {
  const uint64_t words[2] = {RandomWord(), RandomWord()};
  Uuid uuid;
  std::memcpy(uuid.data(), words, uuid.size());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

uint64_t Now() {
  return static_cast<uint64_t>(
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// At least four groups where they are not tiny; groups that a geometry's mappings fit in.
uint64_t ChooseGroupBlocks(uint64_t blocks, uint32_t geometry_shift) {
  constexpr uint64_t kLeast = 512;
  if (geometry_shift == 30) return kGroupBlocksMax;
  return std::clamp(std::bit_floor(blocks / 4), kLeast, kGroupBlocksMax);
}

LaneChoice ChooseLanes(uint64_t bytes) {
  return *std::ranges::find_if(kLaneChoices,
                               [bytes](const LaneChoice& c) { return bytes >= c.from_bytes; });
}

Result<void> CheckOptions(uint64_t bytes, const FormatOptions& options) {
  if (bytes < kMinRegionBytes) {
    return Fail(EINVAL, absl::StrCat("the region is too small: ", bytes, " bytes, at least ",
                                     kMinRegionBytes, " are needed"));
  }
  if (options.label.size() > kLabelBytes) {
    return Fail(EINVAL, absl::StrCat("the label has ", options.label.size(), " bytes, at most ",
                                     kLabelBytes, " fit"));
  }
  const uint32_t shift = options.geometry_shift;
  if (shift != 12 && shift != 21 && shift != 30) {
    return Fail(EINVAL, "the geometry must be 4K, 2M or 1G");
  }
  if (bytes < uint64_t{1} << shift) {
    return Fail(EINVAL, "the region is smaller than one unit of its geometry");
  }
  return {};
}

void FillIdentity(const FormatOptions& options, Superblock* s) {
  const Uuid uuid = options.uuid ? *options.uuid : RandomUuid();
  std::memcpy(s->header.uuid, uuid.data(), uuid.size());
  s->header.sequence = 1;
  std::memcpy(s->fs_magic, kFilesystemMagic, sizeof(kFilesystemMagic));
  s->version = kFormatVersion;
  s->block_bytes = kBlockSize;
  s->flags = options.emulated ? kFlagEmulated : 0;
  std::memcpy(s->label, options.label.data(), options.label.size());
  s->geometry_shift = options.geometry_shift;
  s->hash_seed = options.hash_seed ? *options.hash_seed : RandomWord();
  s->made_at = options.made_at ? *options.made_at : Now();
}

void FillLayout(uint64_t bytes, const FormatOptions& options, Superblock* s) {
  s->block_count = bytes >> kBlockShift;
  s->group_blocks =
      options.group_blocks.value_or(ChooseGroupBlocks(s->block_count, options.geometry_shift));
  // A tail too small for a header, a bitmap and the superblock's copy is left alone.
  const uint64_t tail = s->block_count % s->group_blocks;
  if (tail <= kMaxTailBlocks) s->block_count -= tail;
  s->group_count = static_cast<uint32_t>((s->block_count + s->group_blocks - 1) / s->group_blocks);
  const LaneChoice lanes = ChooseLanes(bytes);
  s->lane_count = options.lane_count.value_or(lanes.count);
  s->lane_blocks = options.lane_blocks.value_or(lanes.blocks);
  s->journal_start = LayoutOfGroup(*s, 0).first_usable.value();
  s->inode_cluster0 = s->journal_start + uint64_t{s->lane_count} * s->lane_blocks;
  s->reserve_blocks = std::clamp(s->block_count / 100, kMinReserve, kMaxReserve);
}

}  // namespace

Result<Superblock> PlanFilesystem(uint64_t region_bytes, const FormatOptions& options) {
  HOLDFAST_TRY(CheckOptions(region_bytes, options));
  Superblock superblock{};
  FillIdentity(options, &superblock);
  FillLayout(region_bytes, options, &superblock);
  if (auto sound = CheckGeometry(superblock); !sound) {
    return Fail(EINVAL,
                absl::StrCat("the layout asked for is not possible: ", sound.error().message));
  }
  return superblock;
}

}  // namespace holdfast::fsmeta
