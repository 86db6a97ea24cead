// SPDX-License-Identifier: Apache-2.0
// The layout of a new filesystem, and writing it.
#include "fsmeta/format_region.h"

#include <sys/stat.h>

#include <cstring>

#include "fsmeta/btree_node.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal.h"
#include "fsmeta/owner.h"
#include "fsmeta/superblock.h"

namespace holdfast::fsmeta {
namespace {

// The blocks of group 0 after the first inode cluster, and where its free space begins.
struct FirstBlocks {
  Pfn cluster;
  Pfn orphans;
  Pfn quarantine;
  Pfn reverse_map;
  Pfn free;
};

FirstBlocks FirstBlocksOf(const Superblock& superblock) {
  const Pfn cluster(superblock.inode_cluster0);
  const Pfn next = cluster + BlockCount(kClusterBlocks);
  return {cluster, next, next + BlockCount(1), next + BlockCount(2), next + BlockCount(3)};
}

// Writes one sealed block of metadata.
template <typename T>
void WriteBlock(Region& region, const Superblock& superblock, Pfn at, ObjectType type,
                uint64_t owner, T block) {
  static_assert(sizeof(T) == kMetadataBlock);
  SealObject(&block, {type, ByteOffset(at), kMetadataBlock, owner}, UuidOf(superblock),
             superblock.header.sequence);
  region.persist().CopyNt(region.Target(ByteOffset(at)), &block, sizeof(block));
}

// In a new filesystem a group's used blocks are a prefix, and in the last one the copy.
struct GroupUse {
  uint64_t prefix;
  bool has_copy;
  uint64_t blocks;
  bool Uses(uint64_t i) const { return i < prefix || i >= blocks || (has_copy && i == blocks - 1); }
  uint64_t FreeBlocks() const { return blocks - prefix - (has_copy ? 1 : 0); }
};

GroupUse UseOfGroup(const Superblock& superblock, uint64_t index) {
  const GroupLayout layout = LayoutOfGroup(superblock, index);
  const Pfn free = index == 0 ? FirstBlocksOf(superblock).free : layout.first_usable;
  return {(free - layout.start).value(), index + 1 == superblock.group_count,
          layout.blocks.value()};
}

BitmapBlock MakeBitmap(const GroupUse& use, uint64_t first_bit) {
  BitmapBlock bitmap{};
  for (uint64_t word = 0; word < kBitsPerBitmapBlock / 64; ++word) {
    const uint64_t bit = first_bit + word * 64;
    // Nearly all words are free throughout; only the edges are looked at bit by bit.
    if (bit >= use.prefix && bit + 64 < use.blocks) continue;
    for (uint64_t i = 0; i < 64; ++i) {
      if (use.Uses(bit + i)) bitmap.bits[word] |= uint64_t{1} << i;
    }
  }
  return bitmap;
}

void WriteGroup(Region& region, const Superblock& superblock, uint64_t index) {
  const GroupLayout layout = LayoutOfGroup(superblock, index);
  const GroupUse use = UseOfGroup(superblock, index);
  for (uint64_t i = 0; i < layout.bitmap_blocks.value(); ++i) {
    WriteBlock(region, superblock, layout.bitmap + BlockCount(i), ObjectType::kBitmap, index,
               MakeBitmap(use, i * kBitsPerBitmapBlock));
  }
  GroupHeader header{};
  header.start = layout.start.value();
  header.blocks = layout.blocks.value();
  header.free_blocks = use.FreeBlocks();
  header.bitmap_start = layout.bitmap.value();
  header.bitmap_blocks = layout.bitmap_blocks.value();
  header.refcounts.kind = static_cast<uint32_t>(TreeKind::kRefcount);
  header.reverse_map.kind = static_cast<uint32_t>(TreeKind::kReverseMap);
  if (index == 0) {
    header.reverse_map.node = FirstBlocksOf(superblock).reverse_map.value();
    header.reverse_map.height = 1;
  }
  WriteBlock(region, superblock, layout.header, ObjectType::kGroupHeader, index, header);
}

InodeSlot MakeInode(const Superblock& superblock, uint32_t mode, uint32_t nlink) {
  const auto now = static_cast<int64_t>(superblock.made_at);
  InodeSlot slot{};
  slot.mode = mode;
  slot.nlink = nlink;
  slot.generation = 1;
  slot.atime_sec = slot.mtime_sec = slot.ctime_sec = slot.btime_sec = now;
  return slot;
}

// A file of the filesystem's own, in one extent.
InodeSlot MakeSystemFile(const Superblock& superblock, Pfn start, uint32_t blocks) {
  InodeSlot slot = MakeInode(superblock, S_IFREG | 0600, 1);
  slot.size = uint64_t{blocks} << kBlockShift;
  slot.blocks = blocks;
  slot.data_form = static_cast<uint8_t>(DataForm::kExtents);
  slot.inline_count = 1;
  const ExtentRecord extent{0, start.value(), blocks, 0};
  std::memcpy(slot.inline_area, &extent, sizeof(extent));
  return slot;
}

void WriteInode(Region& region, const Superblock& superblock, uint64_t ino, InodeSlot slot) {
  const ObjectId id = SlotId(Pfn(superblock.inode_cluster0), Ino(ino));
  SealObject(&slot, id, UuidOf(superblock), superblock.header.sequence);
  region.persist().CopyNt(region.Target(id.offset), &slot, sizeof(slot));
}

void WriteFirstInodes(Region& region, const Superblock& superblock) {
  const FirstBlocks first = FirstBlocksOf(superblock);
  WriteInodeCluster(region, UuidOf(superblock), first.cluster, 0, superblock.header.sequence);
  InodeSlot root = MakeInode(superblock, S_IFDIR | 0755, 2);
  root.parent = kInoRoot;
  WriteInode(region, superblock, kInoRoot, root);
  WriteInode(region, superblock, kInoInodeFile,
             MakeSystemFile(superblock, first.cluster, kClusterBlocks));
  WriteInode(region, superblock, kInoOrphanFile, MakeSystemFile(superblock, first.orphans, 1));
  WriteInode(region, superblock, kInoQuarantine, MakeSystemFile(superblock, first.quarantine, 1));
  WriteBlock(region, superblock, first.orphans, ObjectType::kOrphans, kInoOrphanFile,
             OrphanBlock{});
  WriteBlock(region, superblock, first.quarantine, ObjectType::kQuarantine, kInoQuarantine,
             QuarantineBlock{});
}

// The extents of the first inodes, as the reverse map of group 0 has them.
TreeNode MakeReverseMapLeaf(const Superblock& superblock) {
  const FirstBlocks first = FirstBlocksOf(superblock);
  const Owner owners[] = {
      {{first.cluster, BlockCount(kClusterBlocks)}, Ino(kInoInodeFile), FileBlock(0)},
      {{first.orphans, BlockCount(1)}, Ino(kInoOrphanFile), FileBlock(0)},
      {{first.quarantine, BlockCount(1)}, Ino(kInoQuarantine), FileBlock(0)}};
  TreeNode leaf{};
  NodeEditor editor = NodeEditor::Format(&leaf, TreeKind::kReverseMap, /*level=*/0);
  for (const Owner& owner : owners) editor.Insert(editor.count(), ToTreeRecord(owner));
  return leaf;
}

// After this nothing of an older filesystem can be mounted.
void EraseOldSuperblocks(Region& region) {
  const std::span media(region.base(), region.size());
  if (const auto old = ReadSuperblock(media, region.path())) {
    region.persist().ZeroNt(region.Target((old->block_count - 1) << kBlockShift), kBlockSize);
  }
  region.persist().ZeroNt(region.Target(0), kBlockSize);
  const uint64_t tail = (kMaxTailBlocks + 1) << kBlockShift;
  region.persist().ZeroNt(region.Target(Bytes(region.blocks()) - tail), tail);
  region.persist().Drain();
}

}  // namespace

Result<void> FormatRegion(Region& region, const FormatOptions& options) {
  HOLDFAST_ASSIGN(const Superblock superblock, PlanFilesystem(region.size(), options));
  EraseOldSuperblocks(region);
  Journal::Format(region, superblock);
  for (uint64_t group = 0; group < superblock.group_count; ++group) {
    WriteGroup(region, superblock, group);
  }
  WriteBlock(region, superblock, FirstBlocksOf(superblock).reverse_map, ObjectType::kTreeNode, 0,
             MakeReverseMapLeaf(superblock));
  WriteFirstInodes(region, superblock);
  region.persist().Drain();
  WriteSuperblock(region, superblock);
  return {};
}

}  // namespace holdfast::fsmeta
