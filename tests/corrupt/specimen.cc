// SPDX-License-Identifier: Apache-2.0
// Making the images, and finding the objects in them.
#include "tests/corrupt/specimen.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "daxcore/process.h"
#include "fsmeta/btree_node.h"
#include "fsmeta/checksum.h"
#include "fsmeta/directory_block.h"
#include "fsmeta/journal_lane.h"
#include "tests/support/damaged_image.h"
#include "tests/support/mounted_filesystem.h"
#include "tests/support/recorder.h"
#include "tests/support/rich_image.h"

namespace holdfast::tests {

using namespace fsmeta;  // NOLINT: all of it is about the medium's structs

namespace {

constexpr uint64_t kSpecimenBytes = uint64_t{4} << 20;
constexpr int kEntries = 75;  // few, since each image is looked at many times

TreeState TreeOf(std::span<const std::byte> image) {
  MountedFilesystem mounted(kSpecimenBytes);
  mounted.MountImage(image);
  EXPECT_TRUE(mounted.fs().FinishOrphans());
  auto tree = ReadTree(mounted.fs());
  EXPECT_TRUE(tree) << tree.error().Text();
  return tree ? *std::move(tree) : TreeState();
}

// Two blocks that left the file `ino` while this process could touch them.
void PutIntoQuarantine(DamagedImage& image, uint64_t ino) {
  constexpr uint64_t kLength = 2;
  const uint64_t group = image.superblock().group_count - 1;
  const uint64_t start = image.superblock().block_count - 40;
  image.Change<BitmapBlock>(image.BitmapOffset(group), [&](BitmapBlock& bitmap) {
    for (uint64_t i = 0; i < kLength; ++i) {
      const uint64_t bit = start + i - group * image.superblock().group_blocks;
      ASSERT_EQ(bitmap.bits[bit / 64] >> (bit % 64) & 1, 0U);
      bitmap.bits[bit / 64] |= uint64_t{1} << (bit % 64);
    }
  });
  image.Change<GroupHeader>(image.GroupOffset(group),
                            [&](GroupHeader& header) { header.free_blocks -= kLength; });
  const auto process = daxcore::Identify(getpid());
  ASSERT_TRUE(process);
  const auto record_of = [&](QuarantineKind kind) {
    QuarantineRecord record{};
    std::memcpy(record.boot_id, image.superblock().boot_id, sizeof(record.boot_id));
    record.kind = static_cast<uint32_t>(kind);
    if (kind != QuarantineKind::kInodeHolder) record.batch = 1;
    record.ino = ino;
    if (kind == QuarantineKind::kRun) {
      record.block = start;
      record.length = kLength;
    } else {
      record.holder_pid = static_cast<uint32_t>(process->pid);
      record.holder_start = process->start_time;
    }
    return record;
  };
  image.Change<QuarantineBlock>(image.FirstBlockOf(kInoQuarantine), [&](QuarantineBlock& block) {
    block.records[0] = record_of(QuarantineKind::kRun);
    block.records[1] = record_of(QuarantineKind::kBatchHolder);
    block.records[2] = record_of(QuarantineKind::kInodeHolder);
  });
}

// Finds the objects of an image.
class Finder {
 public:
  Finder(const DamagedImage& image, const TreeState& tree) : image_(image), tree_(tree) {}

  std::vector<Victim> Run() {
    const Superblock& superblock = image_.superblock();
    AddBlock("superblock", FieldsOfSuperblock(), 0);
    AddBlock("superblock copy", FieldsOfSuperblock(), superblock.block_count - 1);
    AddBlock("group header", FieldsOfGroupHeader(), image_.GroupOffset(0) >> 12);
    AddBlock("bitmap", FieldsOfBitmap(), image_.BitmapOffset(0) >> 12);
    AddBlock("inode cluster", FieldsOfCluster(), superblock.inode_cluster0);
    for (const char* path : {"", "plain", "holes", "dir", "link", "long", "device", "listed"}) {
      AddInode(path);
    }
    AddBlock("orphan block", FieldsOfOrphans(), image_.FirstBlockOf(kInoOrphanFile) >> 12);
    AddQuarantine();
    AddTrees();
    AddDirectory();
    AddAttributes();
    return std::move(victims_);
  }

 private:
  uint64_t InoOf(const std::string& path) const { return InodeOf(tree_.at(path)); }
  InodeSlot SlotOf(const std::string& path) const {
    return image_.Get<InodeSlot>(image_.SlotOffset(InoOf(path)));
  }

  void Add(Victim victim) { victims_.push_back(std::move(victim)); }
  void AddBlock(std::string name, std::span<const Field> fields, uint64_t block,
                std::vector<uint64_t> hurts = {}) {
    Add({.name = std::move(name),
         .fields = fields,
         .offset = block << 12,
         .object = block << 12,
         .object_size = kMetadataBlock,
         .hurts = std::move(hurts)});
  }
  // A struct inside the object that was added last.
  void AddPart(std::string name, std::span<const Field> fields, uint64_t offset,
               std::vector<uint64_t> hurts = {}) {
    Victim part = victims_.back();
    part.name = std::move(name);
    part.fields = fields;
    part.offset = part.object + offset;
    part.hurts = std::move(hurts);
    parts_.push_back(std::move(part));
  }
  void FlushParts() {
    for (Victim& part : parts_) victims_.push_back(std::move(part));
    parts_.clear();
  }

  void AddInode(const std::string& path) {
    const uint64_t ino = InoOf(path);
    const uint64_t at = image_.SlotOffset(ino);
    Add({.name = "inode of /" + path,
         .fields = FieldsOfInode(),
         .offset = at,
         .object = at,
         .object_size = kSlotBytes,
         .hurts = {ino}});
    if (SlotOf(path).inline_count == 0) return;
    AddPart("extent of /" + path, FieldsOfExtent(), offsetof(InodeSlot, inline_area), {ino});
    FlushParts();
  }

  void AddQuarantine() {
    AddBlock("quarantine block", FieldsOfQuarantine(), image_.FirstBlockOf(kInoQuarantine) >> 12);
    const char* kinds[] = {"run", "holder of a batch", "holder of an inode"};
    for (size_t i = 0; i < std::size(kinds); ++i) {
      AddPart(std::string("quarantine record, ") + kinds[i], FieldsOfQuarantineRecord(),
              offsetof(QuarantineBlock, records) + i * sizeof(QuarantineRecord));
    }
    FlushParts();
  }

  // A node, and its record number `record`.
  void AddNode(const std::string& name, uint64_t block, std::span<const Field> record_fields,
               std::vector<uint64_t> hurts = {}) {
    AddBlock("node of " + name, FieldsOfTreeNode(), block);
    const auto node = image_.Get<TreeNode>(block << 12);
    const NodeLayout& layout = LayoutOf(static_cast<TreeKind>(node.node.kind), node.node.level);
    const uint32_t slot = node.body[node.node.count / 2];
    AddPart("record of " + name, record_fields,
            sizeof(TreeNodeHeader) + layout.records_at + uint64_t{slot} * layout.record_bytes,
            std::move(hurts));
    FlushParts();
  }

  void AddTrees() {
    const uint64_t root = SlotOf("holes").extents.node;
    const auto node = image_.Get<TreeNode>(root << 12);
    ASSERT_EQ(node.node.level, 1U);
    AddNode("extents, interior", root, FieldsOfChildRecord());
    const NodeView view(&node, TreeKind::kExtents, 1);
    AddNode("extents, leaf", view.Child(1).value(), FieldsOfExtent(), {InoOf("holes")});
    const auto group = image_.Get<GroupHeader>(image_.GroupOffset(0));
    AddNode("reference counts", group.refcounts.node, FieldsOfRefcountRecord());
    AddNode("the reverse map", LeafOf(group.reverse_map.node), FieldsOfReverseMapRecord());
    AddNode("a directory index", LeafOf(SlotOf("dir").dir_index.node), FieldsOfIndexRecord());
  }

  // The first leaf below a node.
  uint64_t LeafOf(uint64_t block) const {
    for (;;) {
      const auto node = image_.Get<TreeNode>(block << 12);
      if (node.node.level == 0) return block;
      block =
          NodeView(&node, static_cast<TreeKind>(node.node.kind), node.node.level).Child(0).value();
    }
  }

  void AddDirectory() {
    const uint64_t at = image_.FirstBlockOf(InoOf("dir"));
    AddBlock("directory block", FieldsOfDirectory(), at >> 12, {InoOf("dir")});
    int n = 0;
    const auto walked =
        ForEachRecord(image_.Get<DirectoryBlock>(at), [&](const DirectoryRecord& record) {
          if (++n < 5) return true;
          AddPart("directory entry", FieldsOfEntry(), record.offset, {record.target.ino.value()});
          return false;
        });
    ASSERT_TRUE(walked && n == 5);
    FlushParts();
  }

  void AddAttributes() {
    const uint64_t ino = InoOf("listed");
    for (uint64_t block = SlotOf("listed").xattr_block; block != 0;) {
      const auto attributes = image_.Get<XattrBlock>(block << 12);
      AddBlock("attribute block", FieldsOfXattr(), block, {ino});
      for (uint64_t at = 0; at < attributes.used;) {
        const uint64_t offset = offsetof(XattrBlock, entries) + at;
        const auto entry = image_.Get<XattrEntry>((block << 12) + offset);
        AddPart(entry.external != 0 ? "attribute with blocks" : "attribute", FieldsOfXattrEntry(),
                offset, {ino});
        if (entry.external != 0 && value_ == 0) value_ = entry.value_block;
        at += entry.record_length;
      }
      FlushParts();
      block = attributes.next;
    }
    ASSERT_NE(value_, 0U);
    AddBlock("attribute value", FieldsOfXattrValue(), value_, {ino});
  }

  const DamagedImage& image_;
  const TreeState& tree_;
  std::vector<Victim> victims_;
  std::vector<Victim> parts_;
  uint64_t value_ = 0;
};

// As at the first drain after which a lane holds a record that is not applied.
std::vector<std::byte> WithLiveRecord(std::vector<std::byte> image, uint32_t* lane) {
  Recorder recorder;
  auto region = recorder.MakeRegion(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  recorder.Clear();
  MountedFilesystem mounted(std::move(region), {});
  recorder.Clear();
  image = mounted.Image();
  EXPECT_TRUE(mounted.Create("late"));
  Superblock superblock;
  std::memcpy(&superblock, image.data(), sizeof(superblock));
  for (const RecordedEvent& event : recorder.Events()) {
    recorder.Apply(event, image);
    if (event.kind != PersistEvent::kDrain) continue;
    for (*lane = 0; *lane < superblock.lane_count; ++*lane) {
      const auto state = ReadLane(image, superblock, *lane);
      if (state && state->live) return image;
    }
  }
  ADD_FAILURE() << "no record";
  return image;
}

}  // namespace

Specimen MakeRichSpecimen() {
  Specimen specimen;
  DamagedImage image(MakeRichImage(kSpecimenBytes, kEntries));
  specimen.tree = TreeOf(image.bytes());
  PutIntoQuarantine(image, InodeOf(specimen.tree.at("plain")));
  specimen.victims = Finder(image, specimen.tree).Run();
  specimen.image = std::move(image.raw());
  return specimen;
}

Specimen MakeJournalSpecimen() {
  Specimen specimen;
  uint32_t lane = 0;
  FormatOptions format;
  format.uuid = Uuid{1, 2, 3};
  format.hash_seed = 4;
  MountedFilesystem empty(kSpecimenBytes, {}, format);
  EXPECT_TRUE(empty.Create("early"));
  specimen.image = WithLiveRecord(empty.Image(), &lane);
  specimen.tree = TreeOf(specimen.image);
  Superblock superblock;
  std::memcpy(&superblock, specimen.image.data(), sizeof(superblock));
  const uint64_t at = LaneOffset(superblock, lane);
  const uint64_t late = InodeOf(specimen.tree.at("late"));
  specimen.victims = {{.name = "lane head",
                       .fields = FieldsOfLane(),
                       .offset = at,
                       .object = at,
                       .object_size = sizeof(LaneHead),
                       .seal = Seal::kNone,
                       .hurts = {late}},
                      {.name = "record head",
                       .fields = FieldsOfRecord(),
                       .offset = at + kLine,
                       .object = at + kLine,
                       .object_size = sizeof(RecordHead),
                       .seal = Seal::kRecord,
                       .hurts = {late}}};
  return specimen;
}

void Reseal(std::span<std::byte> image, const Victim& victim) {
  const auto object = image.subspan(victim.object, victim.object_size);
  if (victim.seal == Seal::kObject) {
    const uint32_t sum = ObjectChecksum(object);
    std::memcpy(object.data() + offsetof(ObjectHeader, crc32c), &sum, sizeof(sum));
  } else if (victim.seal == Seal::kRecord) {
    RecordHead head;
    std::memcpy(&head, object.data(), sizeof(head));
    head.crc32c = 0;
    const uint64_t body = victim.object + kLine;
    const uint64_t lines = NumberLines(head.line_count) + head.line_count;
    if (lines > (image.size() - body) / kLine) return;
    Crc32c crc;
    crc.Add(std::as_bytes(std::span(&head, 1)));
    crc.Add(image.subspan(body, lines * kLine));
    head.crc32c = crc.value();
    std::memcpy(object.data(), &head, sizeof(head));
  }
}

}  // namespace holdfast::tests
