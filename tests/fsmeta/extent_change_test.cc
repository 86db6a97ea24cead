// SPDX-License-Identifier: Apache-2.0
// Changing the extents of inodes on a medium that is damaged at random.
#include "fsmeta/extent_change.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tests/fsmeta/space_rig.h"
#include "tests/support/quiet_log.h"

namespace holdfast::fsmeta {
namespace {

constexpr Ino kIno{20};
constexpr Ino kClone{21};
constexpr uint64_t kExtents = 400;

// A file of many extents, and a clone of half of it: all four kinds of metadata are there.
class DamagedExtentsTest : public testing::Test {
 protected:
  DamagedExtentsTest() {
    EXPECT_TRUE(rig_.FillScattered(kIno, kExtents));
    EXPECT_TRUE(rig_.Change(kClone, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      for (const Extent& extent : rig_.Extents(kIno)) {
        if (extent.file_block.value() % 4 != 0) continue;
        HOLDFAST_TRY(rig_.refcounts->Increment(tx, extent.run, AllocFor::kMetadata));
        HOLDFAST_TRY(rig_.map->Insert(tx, slot, extent, AllocFor::kMetadata));
      }
      return {};
    }));
    const uint64_t group = rig_.allocator->GroupOf(rig_.Extents(kIno).front().run.start);
    const GroupHeader* header = *rig_.allocator->ReadGroup(rig_.parts.medium(), group);
    const uint64_t ino = kIno.value();
    objects_ = {rig_.SlotOf(kIno), Node(rig_.Slot(kIno).extents, ino),
                Node(header->reverse_map, group), Node(header->refcounts, group)};
  }
  static ObjectId Node(const TreeRoot& root, uint64_t owner) {
    return {ObjectType::kTreeNode, root.node << kBlockShift, kMetadataBlock, owner};
  }

  std::vector<std::byte> Bytes(const ObjectId& id) {
    const std::byte* from = rig_.parts.region().At(id.offset);
    return {from, from + id.size};
  }
  void Store(const ObjectId& id, std::vector<std::byte> bytes) {
    SealObject(bytes.data(), id, rig_.parts.medium().uuid(), 1);
    Region& region = rig_.parts.region();
    region.persist().Store(region.Target(id.offset), bytes.data(), bytes.size());
    rig_.Remount();
  }

  // Does it and takes it back; what it answers does not matter.
  template <typename F>
  void Try(Ino ino, F&& body) {
    const auto done = rig_.Change(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      if (auto changed = body(tx, slot); !changed) return changed;
      return Fail(ECANCELED);
    });
    EXPECT_FALSE(done);
  }
  void TryEverything(FileBlock from, FileBlock to) {
    const ExtentMap& map = *rig_.map;
    for (const Ino ino : {kIno, kClone}) {
      Try(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
        std::vector<Extent> out;
        HOLDFAST_TRY(map.Remove(tx, slot, from, FileBlock(kMaxFileBlocks), SIZE_MAX, &out));
        return ReleaseExtents(tx, rig_.tools(), out, nullptr);
      });
      Try(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
        std::vector<Extent> out;
        HOLDFAST_TRY(map.RemoveFitting(tx, slot, from, to, &out));
        return ReleaseExtents(tx, rig_.tools(), out, nullptr);
      });
      Try(ino, [&](Transaction& tx, InodeSlot* slot) {
        return map.SetUnwritten(tx, slot, from, to, true, AllocFor::kData);
      });
      Try(ino, [&](Transaction& tx, InodeSlot* slot) {
        return map.Shift(tx, slot, from, 1000, AllocFor::kMetadata);
      });
      Try(ino, [&](Transaction& tx, InodeSlot* slot) {
        return map.Shift(tx, slot, from, -1, AllocFor::kMetadata);
      });
      Try(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
        HOLDFAST_ASSIGN(const BlockRun run,
                        rig_.allocator->Allocate(tx, BlockCount(1), Pfn(0), AllocFor::kData));
        return map.Insert(tx, slot, {from, run, 0}, AllocFor::kData);
      });
    }
  }

  tests::QuietLog quiet_;
  SpaceRig rig_;
  std::vector<ObjectId> objects_;
};

// An answer or an error, in a bounded number of steps, and no access that a sanitizer objects to.
TEST_F(DamagedExtentsTest, RandomDamageIsAnErrorAtWorst) {
  std::mt19937_64 random(81);
  for (int round = 0; round < 200; ++round) {
    const ObjectId& id = objects_[random() % objects_.size()];
    const std::vector<std::byte> sound = Bytes(id);
    std::vector<std::byte> damaged = sound;
    for (uint64_t i = 1 + random() % 3; i > 0; --i) {
      damaged[sizeof(ObjectHeader) + random() % (id.size - sizeof(ObjectHeader))] =
          static_cast<std::byte>(random());
    }
    Store(id, damaged);
    const FileBlock from(random() % (2 * kExtents));
    TryEverything(from, from + BlockCount(1 + random() % 50));
    Store(id, sound);
  }
  rig_.CheckInode(kIno);
  rig_.CheckInode(kClone);
}

}  // namespace
}  // namespace holdfast::fsmeta
