// SPDX-License-Identifier: Apache-2.0
// Everything that is on the medium, and nothing else. FORMAT.md is the byte map in prose.
//
// All integers are little-endian. Offsets and lengths are in 4 KiB blocks unless a name says bytes.
// Nothing here has padding the compiler chose; every size and offset is asserted below each struct.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace holdfast::fsmeta {

static_assert(std::endian::native == std::endian::little, "the medium is little-endian");

// The three widths a media struct is checked for: size, alignment to 8, no hidden state.
template <typename T>
inline constexpr bool kIsMediaStruct =
    std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
    std::has_unique_object_representations_v<T> && sizeof(T) % 8 == 0;

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kUuidBytes = 16;
inline constexpr size_t kMetadataBlock = 4096;
inline constexpr size_t kLine = 64;

// ---------------------------------------------------------------------------------------------
// Common header of every checksummed object (a 4 KiB block, or a 512-byte inode slot).

enum class ObjectType : uint32_t {
  kSuperblock = 0x42534648,    // "HFSB"
  kGroupHeader = 0x48474648,   // "HFGH"
  kBitmap = 0x4d424648,        // "HFBM"
  kTreeNode = 0x4e544648,      // "HFTN"
  kInodeCluster = 0x43494648,  // "HFIC"
  kInode = 0x4e494648,         // "HFIN"
  kDirectory = 0x52444648,     // "HFDR"
  kXattr = 0x41584648,         // "HFXA"
  kXattrValue = 0x56584648,    // "HFXV"
  kOrphans = 0x524f4648,       // "HFOR"
  kQuarantine = 0x51514648,    // "HFQQ"
};

struct ObjectHeader {
  uint32_t magic;            // an ObjectType
  uint32_t crc32c;           // of the whole object with this field 0
  uint8_t uuid[kUuidBytes];  // of the filesystem
  uint64_t owner;            // inode that owns the object; group index for group metadata; else 0
  uint64_t self;             // byte offset of the object in the region
  uint64_t sequence;         // transaction that last changed it
  uint64_t reserved[2];      // 0
};
static_assert(kIsMediaStruct<ObjectHeader> && sizeof(ObjectHeader) == 64);
static_assert(offsetof(ObjectHeader, crc32c) == 4 && offsetof(ObjectHeader, uuid) == 8);
static_assert(offsetof(ObjectHeader, owner) == 24 && offsetof(ObjectHeader, self) == 32);
static_assert(offsetof(ObjectHeader, sequence) == 40);

/// Root of a B+tree. node 0 = empty tree (block 0 is the superblock, never a node).
struct TreeRoot {
  uint64_t node;    // block of the root node
  uint32_t height;  // 0 = empty, 1 = the root is a leaf
  uint32_t kind;    // a TreeKind
};
static_assert(kIsMediaStruct<TreeRoot> && sizeof(TreeRoot) == 16);

// ---------------------------------------------------------------------------------------------
// Superblock: block 0, and a copy in the last block of the filesystem.

inline constexpr char kFilesystemMagic[8] = {'H', 'O', 'L', 'D', 'F', 'A', 'S', 'T'};
inline constexpr uint64_t kFlagEmulated = 1;  // Superblock::flags: made with --emulate
// Feature masks. Unknown incompat bits refuse every mount, unknown ro_compat bits refuse a
// writable one, unknown compat bits are left alone.
inline constexpr uint64_t kKnownCompat = 0;
inline constexpr uint64_t kKnownRoCompat = 0;
inline constexpr uint64_t kIncompatRepairing = 1;  // a repair is half done: no mount, only fsck
inline constexpr uint64_t kKnownIncompat = kIncompatRepairing;
inline constexpr size_t kLabelBytes = 64;

struct Superblock {
  ObjectHeader header;
  char fs_magic[8];      // kFilesystemMagic
  uint32_t version;      // kFormatVersion
  uint32_t block_bytes;  // 4096
  uint64_t compat;
  uint64_t ro_compat;
  uint64_t incompat;
  uint64_t flags;         // kFlag*
  uint64_t block_count;   // blocks of the filesystem; the copy is block_count - 1
  uint64_t group_blocks;  // blocks of every group but the last; a power of two
  // 128
  char label[kLabelBytes];  // NUL-padded, not necessarily terminated
  // 192
  uint32_t group_count;
  uint32_t geometry_shift;  // 12, 21 or 30 (rule C1)
  uint64_t journal_start;   // first block of lane 0
  uint32_t lane_count;
  uint32_t lane_blocks;
  uint64_t inode_cluster0;  // block of the first inode cluster (everything else: inode 2)
  uint64_t reserve_blocks;  // kept back so that removing always works
  uint64_t hash_seed;       // of directory name hashes
  uint64_t made_at;         // seconds since the epoch
  // Changed by mounts only; both copies are rewritten, each with its own checksum.
  uint64_t mount_count;
  // 256
  uint8_t boot_id[16];           // of the last writable mount (quarantine)
  uint64_t mounted_at;           // seconds since the epoch
  uint64_t shutdown_reason;      // 0, or errno-like code of the last forced shutdown
  uint8_t reserved[4096 - 288];  // 0
};
static_assert(kIsMediaStruct<Superblock> && sizeof(Superblock) == kMetadataBlock);
static_assert(offsetof(Superblock, fs_magic) == 64 && offsetof(Superblock, label) == 128);
static_assert(offsetof(Superblock, group_count) == 192);
static_assert(offsetof(Superblock, journal_start) == 200);
static_assert(offsetof(Superblock, inode_cluster0) == 216);
static_assert(offsetof(Superblock, mount_count) == 248);
static_assert(offsetof(Superblock, boot_id) == 256 && offsetof(Superblock, reserved) == 288);

// Notes: the copy with the higher header.sequence that checks out wins; a mount rewrites the other
// one. Nothing in it changes between mount and unmount except shutdown_reason.

// ---------------------------------------------------------------------------------------------
// Allocation groups. Group g covers blocks [g * group_blocks, ...); its header block comes first
// (group 0: after the superblock), then its bitmap blocks.

inline constexpr uint64_t kGroupBlocksMax = 262144;  // 1 GiB

struct GroupHeader {
  ObjectHeader header;    // owner = group index
  uint64_t start;         // first block of the group
  uint64_t blocks;        // blocks of the group
  uint64_t free_blocks;   // zero bits of the bitmap
  uint64_t bitmap_start;  // first bitmap block
  uint64_t bitmap_blocks;
  uint64_t reserved0[3];
  // 128
  TreeRoot refcounts;    // kRefcount: only extents with two owners or more
  TreeRoot reverse_map;  // kReverseMap: every file extent of the group
  uint8_t reserved[4096 - 160];
};
static_assert(kIsMediaStruct<GroupHeader> && sizeof(GroupHeader) == kMetadataBlock);
static_assert(offsetof(GroupHeader, refcounts) == 128 && offsetof(GroupHeader, reserved) == 160);

inline constexpr uint64_t kBitsPerBitmapBlock = (kMetadataBlock - sizeof(ObjectHeader)) * 8;

struct BitmapBlock {
  ObjectHeader header;                      // owner = group index
  uint64_t bits[kBitsPerBitmapBlock / 64];  // 1 = in use; bits past the group's end are 1
};
static_assert(kIsMediaStruct<BitmapBlock> && sizeof(BitmapBlock) == kMetadataBlock);

// ---------------------------------------------------------------------------------------------
// B+tree nodes. Records do not move when others come and go: `slots` is a permutation of the
// record numbers, its first `count` entries are the live ones in key order, the rest are free.

enum class TreeKind : uint32_t {
  kExtents = 1,     // {file block} -> {block, length | flags << 32}        owner: the inode
  kRefcount = 2,    // {block} -> {length | count << 32}, count >= 2        owner: the group
  kReverseMap = 3,  // {block, inode, file block} -> {length | flags << 32} owner: the group
  kDirectory = 4,   // {name hash, cookie} -> {inode}                       owner: the inode
};

struct TreeNodeHeader {
  ObjectHeader header;  // owner: see TreeKind
  uint16_t count;       // live records
  uint16_t level;       // 0 = leaf
  uint16_t capacity;    // records the node has room for; follows from kind and level
  uint16_t reserved0;
  uint32_t kind;  // a TreeKind
  uint32_t reserved1;
  uint64_t reserved[6];
  // 128: uint8_t slots[capacity], padded to 8, then records of (key words + value words) * 8 bytes.
  // Interior nodes: value = {child block}; the key of a child is at most its smallest key.
};
static_assert(kIsMediaStruct<TreeNodeHeader> && sizeof(TreeNodeHeader) == 128);

struct TreeNode {
  TreeNodeHeader node;
  uint8_t body[kMetadataBlock - sizeof(TreeNodeHeader)];
};
static_assert(kIsMediaStruct<TreeNode> && sizeof(TreeNode) == kMetadataBlock);

/// Extent flags, upper half of the second value word (kExtents, kReverseMap).
inline constexpr uint32_t kExtentUnwritten = 1;  // allocated, reads zero

/// One extent as kept inline in an inode; the tree's record has the same words.
struct ExtentRecord {
  uint64_t file_block;
  uint64_t block;
  uint32_t length;  // blocks, > 0; an extent never crosses a group's end
  uint32_t flags;
};
static_assert(kIsMediaStruct<ExtentRecord> && sizeof(ExtentRecord) == 24);

// ---------------------------------------------------------------------------------------------
// Inodes: 512-byte slots in the clusters of the inode file (inode 2). A cluster is one head block
// and 15 blocks of slots. Inode number n is slot n % 120 of cluster n / 120; the cluster's head is
// file block (n / 120) * 16 of the inode file.

inline constexpr uint64_t kClusterBlocks = 16;
inline constexpr uint64_t kSlotBytes = 512;
inline constexpr uint64_t kSlotsPerBlock = kMetadataBlock / kSlotBytes;
inline constexpr uint64_t kInodesPerCluster = (kClusterBlocks - 1) * kSlotsPerBlock;

inline constexpr uint64_t kInoRoot = 1;  // the root directory; FUSE_ROOT_ID
inline constexpr uint64_t kInoInodeFile = 2;
inline constexpr uint64_t kInoOrphanFile = 3;
inline constexpr uint64_t kInoQuarantine = 4;
inline constexpr uint64_t kInoFirstFree = 16;  // 0 and 5..15 are reserved

struct InodeCluster {
  ObjectHeader header;  // owner = kInoInodeFile
  uint64_t first_ino;
  uint32_t free_count;  // zero bits of `used` below kInodesPerCluster
  uint32_t reserved0;
  uint64_t used[2];  // bit i: slot i holds an inode; bits >= 120 are 1
  uint8_t reserved[4096 - 96];
};
static_assert(kIsMediaStruct<InodeCluster> && sizeof(InodeCluster) == kMetadataBlock);

enum class DataForm : uint8_t {
  kNone = 0,     // no data: empty files, devices, fifos, sockets
  kBytes = 1,    // `inline_area` holds `size` bytes (symlink targets)
  kExtents = 2,  // `inline_area` holds `inline_count` ExtentRecords in order of file_block
  kTree = 3,     // `extents` is the root of a kExtents tree
};

inline constexpr size_t kInlineBytes = 256;
inline constexpr size_t kInlineExtents = kInlineBytes / sizeof(ExtentRecord);  // 10

/// InodeSlot::flags
inline constexpr uint32_t kInodeMayShare = 1;    // some extent may have a reference count above one
inline constexpr uint32_t kInodeTruncating = 2;  // in the orphan file: extents past `size` go
inline constexpr uint32_t kInodeHasAcl = 4;  // has an access ACL (mode bits alone do not decide)

struct InodeSlot {
  ObjectHeader header;  // owner = own inode number; `self` is the slot's byte offset
  // 64
  uint32_t mode;  // S_IF* and permission bits; 0 = the slot is free
  uint32_t uid;
  uint32_t gid;
  uint32_t nlink;        // 0 = orphan, listed in the orphan file
  uint64_t size;         // bytes; directories: bytes of their blocks
  uint64_t blocks;       // data blocks mapped, unwritten ones included
  uint32_t flags;        // kInode*
  uint32_t generation;   // + 1 at each reuse of the slot
  uint64_t rdev;         // device nodes
  uint64_t parent;       // directories: the parent directory
  uint64_t orphan_slot;  // 1 + index of the entry in the orphan file, 0 = none
  // 128
  int64_t atime_sec;
  int64_t mtime_sec;
  int64_t ctime_sec;
  int64_t btime_sec;
  uint32_t atime_nsec;
  uint32_t mtime_nsec;
  uint32_t ctime_nsec;
  uint32_t btime_nsec;
  uint64_t xattr_block;  // first attribute block, 0 = none
  uint8_t data_form;     // a DataForm
  uint8_t inline_count;
  uint16_t reserved0;
  uint32_t reserved1;
  // 192
  TreeRoot extents;      // kTree only
  TreeRoot dir_index;    // directories of more than one block
  uint64_t dir_entries;  // directories: entries, without . and ..
  uint64_t dir_subdirs;  // directories: how many of them are directories (nlink = 2 + this)
  uint64_t reserved2[2];
  // 256
  uint8_t inline_area[kInlineBytes];
};
static_assert(kIsMediaStruct<InodeSlot> && sizeof(InodeSlot) == kSlotBytes);
static_assert(offsetof(InodeSlot, mode) == 64 && offsetof(InodeSlot, size) == 80);
static_assert(offsetof(InodeSlot, blocks) == 88 && offsetof(InodeSlot, rdev) == 104);
static_assert(offsetof(InodeSlot, atime_sec) == 128 && offsetof(InodeSlot, xattr_block) == 176);
static_assert(offsetof(InodeSlot, extents) == 192 && offsetof(InodeSlot, inline_area) == 256);

// ---------------------------------------------------------------------------------------------
// Directory blocks: entries back to back to the end of the block. An entry never moves, so its
// position (file block << 12 | offset in the block) is a stable readdir cookie.

struct DirectoryEntry {
  uint64_t ino;            // 0 = free space
  uint16_t record_length;  // bytes to the next entry, multiple of 8
  uint8_t name_length;     // 1..255 (0 for free space)
  uint8_t type;            // DT_*
  uint32_t hash;           // low half of the name's hash
  // followed by the name, not terminated
};
static_assert(kIsMediaStruct<DirectoryEntry> && sizeof(DirectoryEntry) == 16);

struct DirectoryBlock {
  ObjectHeader header;  // owner = the directory
  uint8_t entries[kMetadataBlock - sizeof(ObjectHeader)];
};
static_assert(kIsMediaStruct<DirectoryBlock> && sizeof(DirectoryBlock) == kMetadataBlock);

// ---------------------------------------------------------------------------------------------
// Extended attributes: a chain of blocks per inode, entries packed from the front. A value that
// does not fit in a block with its name lives in a chain of value blocks.

struct XattrEntry {
  uint16_t record_length;  // bytes to the next entry, multiple of 8
  uint8_t name_length;     // with its prefix ("user.x"), 1..255
  uint8_t external;        // 1: `value_block` heads a chain of XattrValueBlocks
  uint32_t value_length;   // bytes
  uint64_t value_block;    // 0 unless external
  // followed by the name, then (not external) the value
};
static_assert(kIsMediaStruct<XattrEntry> && sizeof(XattrEntry) == 16);

struct XattrBlock {
  ObjectHeader header;  // owner = the inode
  uint64_t next;        // block, 0 = last
  uint16_t used;        // bytes of `entries` in use
  uint16_t count;
  uint32_t reserved;
  uint8_t entries[kMetadataBlock - sizeof(ObjectHeader) - 16];
};
static_assert(kIsMediaStruct<XattrBlock> && sizeof(XattrBlock) == kMetadataBlock);

struct XattrValueBlock {
  ObjectHeader header;  // owner = the inode
  uint64_t next;        // block, 0 = last
  uint64_t used;        // bytes of `value`
  uint8_t value[kMetadataBlock - sizeof(ObjectHeader) - 16];
};
static_assert(kIsMediaStruct<XattrValueBlock> && sizeof(XattrValueBlock) == kMetadataBlock);

// ---------------------------------------------------------------------------------------------
// Orphan file (inode 3): inodes to be finished at the next mount: nlink 0 -> delete, or
// kInodeTruncating -> drop the extents past `size`. Order and position mean nothing.

struct OrphanBlock {
  ObjectHeader header;                                        // owner = kInoOrphanFile
  uint64_t ino[(kMetadataBlock - sizeof(ObjectHeader)) / 8];  // 0 = free entry
};
static_assert(kIsMediaStruct<OrphanBlock> && sizeof(OrphanBlock) == kMetadataBlock);
inline constexpr uint64_t kOrphansPerBlock = sizeof(OrphanBlock::ino) / 8;

// ---------------------------------------------------------------------------------------------
// Quarantine file (inode 4): blocks that left their file while a process could still touch them,
// and the processes that could. Blocks in quarantine stay set in the bitmap, and quarantine has one
// owner's share of their reference counts. Nothing counts after another boot: runs are released and
// holders forgotten. Order and position mean nothing.

enum class QuarantineKind : uint32_t {
  kFree = 0,
  kRun = 1,          // `block`, `length`: left the file `ino` together with the batch's other runs
  kBatchHolder = 2,  // the process may touch every run of the batch
  kInodeHolder = 3,  // the process may touch blocks that belong to the file `ino`
};

struct QuarantineRecord {
  uint64_t block;
  uint64_t length;  // blocks, all in one group; 0 unless kRun
  uint8_t boot_id[16];
  uint64_t batch;         // kRun, kBatchHolder: what came in together; larger is later
  uint32_t kind;          // a QuarantineKind
  uint32_t holder_pid;    // kBatchHolder, kInodeHolder
  uint64_t holder_start;  // start time of the process, clock ticks since boot
  uint64_t ino;           // the file, which may be gone
};
static_assert(kIsMediaStruct<QuarantineRecord> && sizeof(QuarantineRecord) == 64);

struct QuarantineBlock {
  ObjectHeader header;  // owner = kInoQuarantine
  QuarantineRecord records[(kMetadataBlock - sizeof(ObjectHeader)) / sizeof(QuarantineRecord)];
};
static_assert(kIsMediaStruct<QuarantineBlock> && sizeof(QuarantineBlock) == kMetadataBlock);
inline constexpr uint64_t kQuarantineRecordsPerBlock =
    sizeof(QuarantineBlock::records) / sizeof(QuarantineRecord);

// ---------------------------------------------------------------------------------------------
// Journal: `lane_count` lanes of `lane_blocks` blocks. A lane holds at most one redo record.
//
// Line 0 of a lane is a LaneHead, the record starts at line 1: a RecordHead, then
// ceil(line_count / 8) lines of line numbers (8 per line, region byte offset / 64, the rest 0),
// then line_count lines of contents. A record that does not fit the lane keeps its line numbers and
// contents in `spill_blocks` free blocks from `spill_start` (they are free before and after).

inline constexpr uint64_t kLaneMagic = 0x4c4a4e4154464c48;    // "HLFTANJL"
inline constexpr uint64_t kRecordMagic = 0x43524e4154464c48;  // "HLFTANRC"

struct LaneHead {
  uint64_t magic;    // kLaneMagic
  uint64_t retired;  // THE SWITCH: number of the last record fully applied; one 8-byte store
  uint8_t uuid[16];
  uint64_t lane;  // own index
  uint64_t reserved[3];
};
static_assert(kIsMediaStruct<LaneHead> && sizeof(LaneHead) == kLine);

struct RecordHead {
  uint64_t magic;   // kRecordMagic
  uint64_t number;  // of this lane, 1, 2, ...; live iff == retired + 1 and the crc holds
  uint8_t uuid[16];
  uint32_t crc32c;       // of this line with the field 0, the line numbers and the contents
  uint32_t line_count;   // cache lines changed
  uint64_t spill_start;  // block, 0 = the record is in the lane
  uint64_t spill_blocks;
  uint64_t sequence;  // the transaction
};
static_assert(kIsMediaStruct<RecordHead> && sizeof(RecordHead) == kLine);

}  // namespace holdfast::fsmeta
