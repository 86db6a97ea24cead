// SPDX-License-Identifier: Apache-2.0
// A filesystem with one of everything in it; every field that must be so is changed, one at a time,
// its object sealed again, and the check has to notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>
#include <string>
#include <vector>

#include "fsmeta/btree_node.h"
#include "fsmeta/checker.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/xattr_block.h"
#include "tests/support/damaged_image.h"
#include "tests/support/rich_image.h"

namespace holdfast::fsmeta {
namespace {

using tests::DamagedImage;
using tests::MakeRichImage;

// What may be changed at `offset` of an object so that somebody must notice.
struct Change {
  uint64_t object;
  uint64_t size;  // of the object
  uint64_t offset;
  uint8_t bits;
  std::string name;
};

class ChangeList {
 public:
  explicit ChangeList(const DamagedImage& image) : image_(image) {
    const uint64_t blocks = image.superblock().block_count;
    for (uint64_t block = 1; block + 1 < blocks; ++block) AddObject(block * 4096);
  }
  const std::vector<Change>& changes() const { return changes_; }
  const std::set<std::string>& kinds() const { return kinds_; }

 private:
  bool IsSound(uint64_t at, ObjectType type, uint64_t size) const {
    return CheckObject(image_.bytes().data() + at, {type, at, size, kAnyOwner},
                       UuidOf(image_.superblock()))
        .has_value();
  }

  void AddObject(uint64_t at) {
    const auto magic = static_cast<ObjectType>(image_.Get<uint32_t>(at));
    if (magic == ObjectType::kInode) {
      for (uint64_t i = 0; i < kSlotsPerBlock; ++i) {
        const uint64_t slot = at + i * kSlotBytes;
        if (IsSound(slot, ObjectType::kInode, kSlotBytes)) AddSlot(slot);
      }
      return;
    }
    if (magic == ObjectType::kSuperblock || !IsSound(at, magic, kMetadataBlock)) return;
    size_ = kMetadataBlock;
    object_ = at;
    kind_ = NameOf(magic);
    Words("header", offsetof(ObjectHeader, owner), 2);
    Words("header reserved", offsetof(ObjectHeader, reserved), 2);
    switch (magic) {
      case ObjectType::kGroupHeader:
        Words("fields", 64, 12);
        return Words("reserved", 160, 3);
      case ObjectType::kBitmap:
        return Words("bits", 64, 20);
      case ObjectType::kTreeNode:
        return AddNode();
      case ObjectType::kInodeCluster:
        return Words("fields", 64, 6);
      case ObjectType::kDirectory:
        return AddDirectory();
      case ObjectType::kXattr:
        return AddXattr();
      case ObjectType::kXattrValue:
        return Words("next and used", 64, 2);
      case ObjectType::kOrphans:
        return Words("entries", 64, 3);
      case ObjectType::kQuarantine:
        return Byte("length", 64 + 8, 1);
      default:
        FAIL() << "unexpected object at " << at;
    }
  }

  void Byte(const std::string& name, uint64_t offset, uint8_t bits) {
    kinds_.insert(kind_);
    changes_.push_back({object_, size_, offset, bits, kind_ + " " + name});
  }
  void Words(const std::string& name, uint64_t offset, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      // Low and high halves are often different fields.
      Byte(name + " at " + std::to_string(offset + i * 8), offset + i * 8, 1);
      Byte(name + " at " + std::to_string(offset + i * 8 + 4), offset + i * 8 + 4, 8);
    }
  }

  void AddSlot(uint64_t at) {
    const auto slot = image_.Get<InodeSlot>(at);
    size_ = kSlotBytes;
    object_ = at;
    kind_ = "inode " + std::to_string(slot.header.owner);
    if (slot.header.owner > 40) return;  // the rest is more of the same
    if (slot.mode == 0) {
      if (slot.header.owner == 5) Words("free", 64, 3);
      return;
    }
    if (slot.nlink > 0) Byte("type", offsetof(InodeSlot, mode) + 1, 0x20);
    Words("blocks", offsetof(InodeSlot, blocks), 1);
    Byte("nlink", offsetof(InodeSlot, nlink), 4);
    Byte("flags", offsetof(InodeSlot, flags) + 1, 1);
    Words("parent and orphan slot", offsetof(InodeSlot, parent), 2);
    Words("attributes", offsetof(InodeSlot, xattr_block), 1);
    Words("form", offsetof(InodeSlot, data_form), 1);
    Words("roots and counts", offsetof(InodeSlot, extents), 8);
    if (!S_ISREG(slot.mode) || slot.header.owner < 16) {
      Byte("size", offsetof(InodeSlot, size) + 2, 1);
    }
    if (slot.data_form == static_cast<uint8_t>(DataForm::kExtents)) {
      Words("extents", offsetof(InodeSlot, inline_area), slot.inline_count * 3ULL);
    }
  }

  void AddNode() {
    const auto node = image_.Get<TreeNode>(object_);
    const auto kind = static_cast<TreeKind>(node.node.kind);
    kind_ +=
        " kind " + std::to_string(node.node.kind) + " level " + std::to_string(node.node.level);
    Words("head", 64, 8);
    const NodeLayout& layout = LayoutOf(kind, node.node.level);
    for (uint32_t i = 0; i < layout.capacity; i += 5) {
      Byte("slot", sizeof(TreeNodeHeader) + i, 1);
    }
    const uint32_t keys = node.node.level == 0 ? 0 : layout.key_bytes;  // bounds may be loose
    for (uint32_t i = 0; i < node.node.count; i += 7) {
      const uint64_t record =
          sizeof(TreeNodeHeader) + layout.records_at + uint64_t{node.body[i]} * layout.record_bytes;
      Words("record", record + keys, (layout.record_bytes - keys) / 8);
    }
  }

  void AddDirectory() {
    const auto block = image_.Get<DirectoryBlock>(object_);
    int n = 0;
    const auto walked = ForEachRecord(block, [&](const DirectoryRecord& record) {
      Byte("record length", record.offset + offsetof(DirectoryEntry, record_length), 8);
      if (!record.free() && n++ % 9 == 0) {
        Words("entry", record.offset, 2);
        Byte("name", record.offset + sizeof(DirectoryEntry), 1);
      }
      return true;
    });
    EXPECT_TRUE(walked);
  }

  void AddXattr() {
    const auto block = image_.Get<XattrBlock>(object_);
    Words("head", 64, 2);
    const auto walked = ForEachXattr(block, [&](const XattrRecord& record) {
      const uint64_t at = offsetof(XattrBlock, entries) + record.offset;
      Byte("record length", at, 8);
      Byte("name length", at + offsetof(XattrEntry, name_length), 0x10);
      Byte("external", at + offsetof(XattrEntry, external), 1);
      Byte("value length", at + offsetof(XattrEntry, value_length), 0x20);
      Words("value block", at + offsetof(XattrEntry, value_block), 1);
      return true;
    });
    EXPECT_TRUE(walked);
  }

  const DamagedImage& image_;
  uint64_t object_ = 0;
  uint64_t size_ = 0;
  std::string kind_;
  std::vector<Change> changes_;
  std::set<std::string> kinds_;
};

TEST(CheckerFields, RichImageIsClean) {
  const DamagedImage image(MakeRichImage());
  EXPECT_THAT(image.Findings(), testing::IsEmpty());
  const auto report = CheckFilesystem(image.bytes(), "rich");
  EXPECT_GT(report->totals.shared_blocks, 5U);
  EXPECT_GT(report->totals.extents, 200U);
  EXPECT_EQ(report->totals.orphans, 1U);
  EXPECT_EQ(report->totals.symlinks, 2U);
  EXPECT_EQ(report->totals.directories, 4U);
}

TEST(CheckerFields, EveryChangedFieldIsFound) {
  DamagedImage image(MakeRichImage());
  const ChangeList list(image);
  // Every kind of object is among them, trees of all kinds and both levels of the extents' tree.
  for (const char* kind :
       {"group header", "bitmap", "inode cluster", "directory block", "attribute block",
        "attribute value", "orphan block", "tree node kind 1 level 0", "tree node kind 1 level 1",
        "tree node kind 2 level 0", "tree node kind 3 level 0", "tree node kind 4 level 0"}) {
    EXPECT_TRUE(list.kinds().contains(kind)) << kind;
  }
  EXPECT_GT(list.changes().size(), 1000U);
  for (const Change& change : list.changes()) {
    const std::vector<std::byte> before(
        image.raw().begin() + static_cast<long>(change.object),
        image.raw().begin() + static_cast<long>(change.object + change.size));
    image.raw()[change.object + change.offset] ^= std::byte{change.bits};
    image.Reseal(change.object, change.size);
    const auto report = CheckFilesystem(image.bytes(), "changed");
    EXPECT_FALSE(report && report->clean())
        << change.name << ", object at " << change.object << ", offset " << change.offset;
    std::copy(before.begin(), before.end(), image.raw().begin() + static_cast<long>(change.object));
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
