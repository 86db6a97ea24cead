// SPDX-License-Identifier: Apache-2.0
// The tables. A struct that gets a field does not compile here until the field is in its table.
#include "tests/corrupt/field_table.h"

namespace holdfast::tests {

using namespace fsmeta;  // NOLINT: all of it is about the medium's structs

namespace {

#define FIELD(type, member)                                       \
  {                                                               \
    #member, offsetof(type, member), sizeof(type::member), {}, {} \
  }
#define FREE(type, member, why)                                    \
  {                                                                \
    #member, offsetof(type, member), sizeof(type::member), why, {} \
  }
#define NESTED(type, member, fields) \
  {#member, offsetof(type, member), sizeof(type::member), {}, fields}

// Why a value may be right as well.
constexpr char kAnyTransaction[] = "any transaction may have been the last";
constexpr char kPermissions[] = "any permissions may have been set";
constexpr char kAnybody[] = "anybody may own it";
constexpr char kAnyTime[] = "it may have happened at any time";
constexpr char kNameAndValue[] = "where the name ends, and the value, nothing else says";

constexpr Field kHeader[] = {
    FIELD(ObjectHeader, magic),    FIELD(ObjectHeader, crc32c),
    FIELD(ObjectHeader, uuid),     FIELD(ObjectHeader, owner),
    FIELD(ObjectHeader, self),     FREE(ObjectHeader, sequence, kAnyTransaction),
    FIELD(ObjectHeader, reserved),
};
static_assert(Covers(kHeader, sizeof(ObjectHeader)));

// Of the superblock, which has a copy.
constexpr Field kCopiedHeader[] = {
    FIELD(ObjectHeader, magic),    FIELD(ObjectHeader, crc32c), FIELD(ObjectHeader, uuid),
    FIELD(ObjectHeader, owner),    FIELD(ObjectHeader, self),   FIELD(ObjectHeader, sequence),
    FIELD(ObjectHeader, reserved),
};
static_assert(Covers(kCopiedHeader, sizeof(ObjectHeader)));

constexpr Field kTreeRoot[] = {
    FIELD(TreeRoot, node),
    FIELD(TreeRoot, height),
    FIELD(TreeRoot, kind),
};
static_assert(Covers(kTreeRoot, sizeof(TreeRoot)));

constexpr Field kSuperblock[] = {
    NESTED(Superblock, header, kCopiedHeader),
    FIELD(Superblock, fs_magic),
    FIELD(Superblock, version),
    FIELD(Superblock, block_bytes),
    FIELD(Superblock, compat),
    FIELD(Superblock, ro_compat),
    FIELD(Superblock, incompat),
    FIELD(Superblock, flags),
    FIELD(Superblock, block_count),
    FIELD(Superblock, group_blocks),
    FIELD(Superblock, label),
    FIELD(Superblock, group_count),
    FIELD(Superblock, geometry_shift),
    FIELD(Superblock, journal_start),
    FIELD(Superblock, lane_count),
    FIELD(Superblock, lane_blocks),
    FIELD(Superblock, inode_cluster0),
    FIELD(Superblock, reserve_blocks),
    FIELD(Superblock, hash_seed),
    FIELD(Superblock, made_at),
    FIELD(Superblock, mount_count),
    FIELD(Superblock, boot_id),
    FIELD(Superblock, mounted_at),
    FIELD(Superblock, shutdown_reason),
    FIELD(Superblock, reserved),
};
static_assert(Covers(kSuperblock, sizeof(Superblock)));

constexpr Field kGroupHeader[] = {
    NESTED(GroupHeader, header, kHeader),
    FIELD(GroupHeader, start),
    FIELD(GroupHeader, blocks),
    FIELD(GroupHeader, free_blocks),
    FIELD(GroupHeader, bitmap_start),
    FIELD(GroupHeader, bitmap_blocks),
    FIELD(GroupHeader, reserved0),
    NESTED(GroupHeader, refcounts, kTreeRoot),
    NESTED(GroupHeader, reverse_map, kTreeRoot),
    FIELD(GroupHeader, reserved),
};
static_assert(Covers(kGroupHeader, sizeof(GroupHeader)));

constexpr Field kBitmap[] = {
    NESTED(BitmapBlock, header, kHeader),
    FIELD(BitmapBlock, bits),
};
static_assert(Covers(kBitmap, sizeof(BitmapBlock)));

constexpr Field kTreeNode[] = {
    NESTED(TreeNodeHeader, header, kHeader),
    FIELD(TreeNodeHeader, count),
    FIELD(TreeNodeHeader, level),
    FIELD(TreeNodeHeader, capacity),
    FIELD(TreeNodeHeader, reserved0),
    FIELD(TreeNodeHeader, kind),
    FIELD(TreeNodeHeader, reserved1),
    FIELD(TreeNodeHeader, reserved),
    FIELD(TreeNode, body),
};
static_assert(Covers(kTreeNode, sizeof(TreeNode)));

constexpr Field kExtent[] = {
    FIELD(ExtentRecord, file_block),
    FIELD(ExtentRecord, block),
    FIELD(ExtentRecord, length),
    FIELD(ExtentRecord, flags),
};
static_assert(Covers(kExtent, sizeof(ExtentRecord)));

// The words of tree records, which have no struct of their own.
struct RefcountRecord {
  uint64_t block;
  uint32_t length;
  uint32_t count;
};
constexpr Field kRefcountRecord[] = {
    FIELD(RefcountRecord, block),
    FIELD(RefcountRecord, length),
    FIELD(RefcountRecord, count),
};
static_assert(Covers(kRefcountRecord, sizeof(RefcountRecord)));

struct ReverseMapRecord {
  uint64_t block;
  uint64_t ino;
  uint64_t file_block;
  uint32_t length;
  uint32_t flags;
};
constexpr Field kReverseMapRecord[] = {
    FIELD(ReverseMapRecord, block),      FIELD(ReverseMapRecord, ino),
    FIELD(ReverseMapRecord, file_block), FIELD(ReverseMapRecord, length),
    FIELD(ReverseMapRecord, flags),
};
static_assert(Covers(kReverseMapRecord, sizeof(ReverseMapRecord)));

struct IndexRecord {
  uint64_t hash;
  uint64_t position;
  uint64_t ino;
};
constexpr Field kIndexRecord[] = {
    FIELD(IndexRecord, hash),
    FIELD(IndexRecord, position),
    FIELD(IndexRecord, ino),
};
static_assert(Covers(kIndexRecord, sizeof(IndexRecord)));

struct ChildRecord {
  uint64_t key;
  uint64_t child;
};
constexpr Field kChildRecord[] = {
    FREE(ChildRecord, key, "it may be less than every key below it"),
    FIELD(ChildRecord, child),
};
static_assert(Covers(kChildRecord, sizeof(ChildRecord)));

constexpr Field kCluster[] = {
    NESTED(InodeCluster, header, kHeader),
    FIELD(InodeCluster, first_ino),
    FIELD(InodeCluster, free_count),
    FIELD(InodeCluster, reserved0),
    FIELD(InodeCluster, used),
    FIELD(InodeCluster, reserved),
};
static_assert(Covers(kCluster, sizeof(InodeCluster)));

constexpr Field kInode[] = {
    NESTED(InodeSlot, header, kHeader),
    FREE(InodeSlot, mode, kPermissions),
    FREE(InodeSlot, uid, kAnybody),
    FREE(InodeSlot, gid, kAnybody),
    FIELD(InodeSlot, nlink),
    FREE(InodeSlot, size, "a file may end anywhere"),
    FIELD(InodeSlot, blocks),
    FREE(InodeSlot, flags, "blocks that were shared once leave their flag behind"),
    FREE(InodeSlot, generation, "any number of files may have had the slot"),
    FREE(InodeSlot, rdev, "any device may be meant"),
    FIELD(InodeSlot, parent),
    FIELD(InodeSlot, orphan_slot),
    FREE(InodeSlot, atime_sec, kAnyTime),
    FREE(InodeSlot, mtime_sec, kAnyTime),
    FREE(InodeSlot, ctime_sec, kAnyTime),
    FREE(InodeSlot, btime_sec, kAnyTime),
    FREE(InodeSlot, atime_nsec, kAnyTime),
    FREE(InodeSlot, mtime_nsec, kAnyTime),
    FREE(InodeSlot, ctime_nsec, kAnyTime),
    FREE(InodeSlot, btime_nsec, kAnyTime),
    FIELD(InodeSlot, xattr_block),
    FIELD(InodeSlot, data_form),
    FIELD(InodeSlot, inline_count),
    FIELD(InodeSlot, reserved0),
    FIELD(InodeSlot, reserved1),
    NESTED(InodeSlot, extents, kTreeRoot),
    NESTED(InodeSlot, dir_index, kTreeRoot),
    FIELD(InodeSlot, dir_entries),
    FIELD(InodeSlot, dir_subdirs),
    FIELD(InodeSlot, reserved2),
    FREE(InodeSlot, inline_area, "a symlink may lead anywhere"),
};
static_assert(Covers(kInode, sizeof(InodeSlot)));

constexpr Field kDirectory[] = {
    NESTED(DirectoryBlock, header, kHeader),
    FIELD(DirectoryBlock, entries),
};
static_assert(Covers(kDirectory, sizeof(DirectoryBlock)));

constexpr Field kEntry[] = {
    FIELD(DirectoryEntry, ino),         FIELD(DirectoryEntry, record_length),
    FIELD(DirectoryEntry, name_length), FIELD(DirectoryEntry, type),
    FIELD(DirectoryEntry, hash),
};
static_assert(Covers(kEntry, sizeof(DirectoryEntry)));

constexpr Field kXattr[] = {
    NESTED(XattrBlock, header, kHeader),
    FIELD(XattrBlock, next),
    FIELD(XattrBlock, used),
    FIELD(XattrBlock, count),
    FIELD(XattrBlock, reserved),
    FIELD(XattrBlock, entries),
};
static_assert(Covers(kXattr, sizeof(XattrBlock)));

constexpr Field kXattrEntry[] = {
    FIELD(XattrEntry, record_length), FREE(XattrEntry, name_length, kNameAndValue),
    FIELD(XattrEntry, external),      FREE(XattrEntry, value_length, kNameAndValue),
    FIELD(XattrEntry, value_block),
};
static_assert(Covers(kXattrEntry, sizeof(XattrEntry)));

constexpr Field kXattrValue[] = {
    NESTED(XattrValueBlock, header, kHeader),
    FIELD(XattrValueBlock, next),
    FIELD(XattrValueBlock, used),
    FREE(XattrValueBlock, value, "any bytes may be a value"),
};
static_assert(Covers(kXattrValue, sizeof(XattrValueBlock)));

constexpr Field kOrphans[] = {
    NESTED(OrphanBlock, header, kHeader),
    FIELD(OrphanBlock, ino),
};
static_assert(Covers(kOrphans, sizeof(OrphanBlock)));

constexpr Field kQuarantine[] = {
    NESTED(QuarantineBlock, header, kHeader),
    FIELD(QuarantineBlock, records),
};
static_assert(Covers(kQuarantine, sizeof(QuarantineBlock)));

constexpr Field kQuarantineRecord[] = {
    FIELD(QuarantineRecord, block),
    FIELD(QuarantineRecord, length),
    FREE(QuarantineRecord, boot_id, "what another boot recorded means nothing"),
    FREE(QuarantineRecord, batch, "runs may have left together or one by one"),
    FIELD(QuarantineRecord, kind),
    FREE(QuarantineRecord, holder_pid, "any process may be a holder"),
    FREE(QuarantineRecord, holder_start, "any process may be a holder"),
    FREE(QuarantineRecord, ino, "the file may be gone"),
};
static_assert(Covers(kQuarantineRecord, sizeof(QuarantineRecord)));

constexpr Field kLane[] = {
    FIELD(LaneHead, magic),
    FIELD(LaneHead, retired),
    FIELD(LaneHead, uuid),
    FIELD(LaneHead, lane),
    FREE(LaneHead, reserved, "no reader looks at it, and a record is worth more than it"),
};
static_assert(Covers(kLane, sizeof(LaneHead)));

constexpr Field kRecord[] = {
    FIELD(RecordHead, magic),        FIELD(RecordHead, number),     FIELD(RecordHead, uuid),
    FIELD(RecordHead, crc32c),       FIELD(RecordHead, line_count), FIELD(RecordHead, spill_start),
    FIELD(RecordHead, spill_blocks), FIELD(RecordHead, sequence),
};
static_assert(Covers(kRecord, sizeof(RecordHead)));

#undef FIELD
#undef FREE
#undef NESTED

}  // namespace

std::span<const Field> FieldsOfSuperblock() { return kSuperblock; }
std::span<const Field> FieldsOfGroupHeader() { return kGroupHeader; }
std::span<const Field> FieldsOfBitmap() { return kBitmap; }
std::span<const Field> FieldsOfTreeNode() { return kTreeNode; }
std::span<const Field> FieldsOfRefcountRecord() { return kRefcountRecord; }
std::span<const Field> FieldsOfReverseMapRecord() { return kReverseMapRecord; }
std::span<const Field> FieldsOfIndexRecord() { return kIndexRecord; }
std::span<const Field> FieldsOfExtent() { return kExtent; }
std::span<const Field> FieldsOfChildRecord() { return kChildRecord; }
std::span<const Field> FieldsOfCluster() { return kCluster; }
std::span<const Field> FieldsOfInode() { return kInode; }
std::span<const Field> FieldsOfDirectory() { return kDirectory; }
std::span<const Field> FieldsOfEntry() { return kEntry; }
std::span<const Field> FieldsOfXattr() { return kXattr; }
std::span<const Field> FieldsOfXattrEntry() { return kXattrEntry; }
std::span<const Field> FieldsOfXattrValue() { return kXattrValue; }
std::span<const Field> FieldsOfOrphans() { return kOrphans; }
std::span<const Field> FieldsOfQuarantine() { return kQuarantine; }
std::span<const Field> FieldsOfQuarantineRecord() { return kQuarantineRecord; }
std::span<const Field> FieldsOfLane() { return kLane; }
std::span<const Field> FieldsOfRecord() { return kRecord; }

}  // namespace holdfast::tests
