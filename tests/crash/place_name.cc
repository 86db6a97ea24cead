// SPDX-License-Identifier: Apache-2.0
// Tables of the fields on the medium, and looking places up in them.
#include "tests/crash/place_name.h"

#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fsmeta/medium.h"

namespace holdfast::tests {
namespace {

using daxcore::kBlockShift;
using daxcore::kBlockSize;
using namespace fsmeta;  // NOLINT: the structs of the medium

struct Field {
  std::string_view name;
  size_t start;
  size_t size;
};

#define FIELD(type, name) \
  Field { #name, offsetof(type, name), sizeof(type::name) }

constexpr Field kHeader[] = {{"magic", 0, 4},           {"crc32c", 4, 4},
                             FIELD(ObjectHeader, uuid), FIELD(ObjectHeader, owner),
                             FIELD(ObjectHeader, self), FIELD(ObjectHeader, sequence)};
constexpr Field kSuperblock[] = {FIELD(Superblock, fs_magic),       FIELD(Superblock, version),
                                 FIELD(Superblock, flags),          FIELD(Superblock, block_count),
                                 FIELD(Superblock, label),          FIELD(Superblock, group_count),
                                 FIELD(Superblock, journal_start),  FIELD(Superblock, mount_count),
                                 FIELD(Superblock, boot_id),        FIELD(Superblock, mounted_at),
                                 FIELD(Superblock, shutdown_reason)};
constexpr Field kGroup[] = {FIELD(GroupHeader, start), FIELD(GroupHeader, blocks),
                            FIELD(GroupHeader, free_blocks), FIELD(GroupHeader, refcounts),
                            FIELD(GroupHeader, reverse_map)};
constexpr Field kBitmap[] = {FIELD(BitmapBlock, bits)};
constexpr Field kNode[] = {FIELD(TreeNodeHeader, count),
                           FIELD(TreeNodeHeader, level),
                           FIELD(TreeNodeHeader, capacity),
                           FIELD(TreeNodeHeader, kind),
                           {"slots and records", sizeof(TreeNodeHeader), sizeof(TreeNode::body)}};
constexpr Field kCluster[] = {FIELD(InodeCluster, first_ino), FIELD(InodeCluster, free_count),
                              FIELD(InodeCluster, used)};
constexpr Field kInode[] = {
    FIELD(InodeSlot, mode),         FIELD(InodeSlot, uid),
    FIELD(InodeSlot, gid),          FIELD(InodeSlot, nlink),
    FIELD(InodeSlot, size),         FIELD(InodeSlot, blocks),
    FIELD(InodeSlot, flags),        FIELD(InodeSlot, generation),
    FIELD(InodeSlot, rdev),         FIELD(InodeSlot, parent),
    FIELD(InodeSlot, orphan_slot),  {"times", offsetof(InodeSlot, atime_sec), 48},
    FIELD(InodeSlot, xattr_block),  FIELD(InodeSlot, data_form),
    FIELD(InodeSlot, inline_count), FIELD(InodeSlot, extents),
    FIELD(InodeSlot, dir_index),    FIELD(InodeSlot, dir_entries),
    FIELD(InodeSlot, dir_subdirs),  FIELD(InodeSlot, inline_area)};
constexpr Field kDirectory[] = {FIELD(DirectoryBlock, entries)};
constexpr Field kXattr[] = {FIELD(XattrBlock, next), FIELD(XattrBlock, used),
                            FIELD(XattrBlock, count), FIELD(XattrBlock, entries)};
constexpr Field kXattrValue[] = {FIELD(XattrValueBlock, next), FIELD(XattrValueBlock, used),
                                 FIELD(XattrValueBlock, value)};
constexpr Field kOrphans[] = {FIELD(OrphanBlock, ino)};
constexpr Field kQuarantine[] = {FIELD(QuarantineBlock, records)};
constexpr Field kLaneHead[] = {FIELD(LaneHead, magic), FIELD(LaneHead, retired),
                               FIELD(LaneHead, uuid), FIELD(LaneHead, lane)};
constexpr Field kRecordHead[] = {FIELD(RecordHead, magic),        FIELD(RecordHead, number),
                                 FIELD(RecordHead, uuid),         FIELD(RecordHead, crc32c),
                                 FIELD(RecordHead, line_count),   FIELD(RecordHead, spill_start),
                                 FIELD(RecordHead, spill_blocks), FIELD(RecordHead, sequence)};

#undef FIELD

std::span<const Field> FieldsOf(ObjectType type) {
  switch (type) {
    case ObjectType::kSuperblock:
      return kSuperblock;
    case ObjectType::kGroupHeader:
      return kGroup;
    case ObjectType::kBitmap:
      return kBitmap;
    case ObjectType::kTreeNode:
      return kNode;
    case ObjectType::kInodeCluster:
      return kCluster;
    case ObjectType::kInode:
      return kInode;
    case ObjectType::kDirectory:
      return kDirectory;
    case ObjectType::kXattr:
      return kXattr;
    case ObjectType::kXattrValue:
      return kXattrValue;
    case ObjectType::kOrphans:
      return kOrphans;
    case ObjectType::kQuarantine:
      return kQuarantine;
  }
  return {};
}

// Names of the fields that [start, end) of a struct touches.
std::string Touched(std::span<const Field> fields, uint64_t start, uint64_t end) {
  std::string names;
  for (const Field& field : fields) {
    if (field.start >= end || field.start + field.size <= start) continue;
    absl::StrAppendFormat(&names, "%s%s", names.empty() ? "" : ", ", field.name);
    // Long ones say where.
    if (field.size > 2 * kLine) {
      absl::StrAppendFormat(&names, "[%d..%d)", std::max(start, field.start) - field.start,
                            std::min<uint64_t>(end, field.start + field.size) - field.start);
    }
  }
  return names;
}

}  // namespace

ObjectHeader PlaceNames::HeaderAt(uint64_t offset) const {
  ObjectHeader header;
  std::memcpy(&header, image_.data() + offset, sizeof(header));
  for (const StoreUnit& unit : units_) {
    if (unit.offset == offset && unit.bytes.size() >= sizeof(header)) {
      std::memcpy(&header, unit.bytes.data(), sizeof(header));
    }
  }
  return header;
}

std::string PlaceNames::Of(uint64_t start, uint64_t end) const {
  const auto& superblock = *reinterpret_cast<const Superblock*>(image_.data());
  const uint64_t journal = superblock.journal_start << kBlockShift;
  const uint64_t journal_end =
      journal + ((uint64_t{superblock.lane_count} * superblock.lane_blocks) << kBlockShift);
  if (start >= journal && start < journal_end) return InJournal(superblock, start, end);
  // A slot of 512 bytes, or a whole block; what carries no header is data.
  for (const uint64_t size : {kSlotBytes, kBlockSize}) {
    const uint64_t base = start / size * size;
    const ObjectHeader header = HeaderAt(base);
    const auto type = static_cast<ObjectType>(header.magic);
    const bool is_slot = type == ObjectType::kInode;
    if (header.self == base && !FieldsOf(type).empty() && is_slot == (size == kSlotBytes)) {
      return InObject(header, base, start, end);
    }
  }
  return absl::StrFormat("block %d: data, bytes %d to %d", start >> kBlockShift, start % kBlockSize,
                         start % kBlockSize + (end - start));
}

std::string PlaceNames::InJournal(const Superblock& superblock, uint64_t start,
                                  uint64_t end) const {
  const uint64_t at = start - (superblock.journal_start << kBlockShift);
  const uint64_t lane_bytes = uint64_t{superblock.lane_blocks} << kBlockShift;
  const uint64_t in_lane = at % lane_bytes;
  const std::string lane = absl::StrFormat("journal lane %d: ", at / lane_bytes);
  const uint64_t length = end - start;
  if (in_lane < kLine) return lane + Touched(kLaneHead, in_lane, in_lane + length);
  if (in_lane < 2 * kLine) {
    return lane + "record's " + Touched(kRecordHead, in_lane - kLine, in_lane - kLine + length);
  }
  return absl::StrFormat("%srecord's body, line %d", lane, in_lane / kLine - 2);
}

std::string PlaceNames::InObject(const ObjectHeader& header, uint64_t base, uint64_t start,
                                 uint64_t end) const {
  const auto type = static_cast<ObjectType>(header.magic);
  std::string fields = Touched(kHeader, start - base, end - base);
  const std::string own = Touched(FieldsOf(type), start - base, end - base);
  if (!fields.empty() && !own.empty()) fields += ", ";
  fields += own;
  if (fields.empty()) fields = "reserved";
  if (type == ObjectType::kInode) return absl::StrFormat("inode %d: %s", header.owner, fields);
  return absl::StrFormat("%s at block %d, of %d: %s", NameOf(type), base >> kBlockShift,
                         header.owner, fields);
}

}  // namespace holdfast::tests
