// SPDX-License-Identifier: Apache-2.0
// A small filesystem with everything that extents need, and the checks that must hold in it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "fsmeta/allocator.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/inode_cluster.h"
#include "fsmeta/refcounts.h"
#include "fsmeta/reverse_map.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {

class SpaceRig {
 public:
  /// Groups of 1024 blocks, so that extents meet the ends of groups.
  static FormatOptions SmallGroups() { return {.group_blocks = 1024, .lane_blocks = 64}; }

  explicit SpaceRig(uint64_t bytes = uint64_t{32} << 20,
                    const FormatOptions& options = SmallGroups())
      : parts(bytes, options) {
    MakeParts();
  }

  void Remount() {
    map.reset();
    reverse_map.reset();
    refcounts.reset();
    allocator.reset();
    parts.Remount();
    MakeParts();
  }

  SpaceTools tools() { return {*allocator, *refcounts, *reverse_map}; }
  uint64_t free() { return allocator->Totals()->free.value(); }

  template <typename F>
  Result<void> Run(F&& body) {
    return parts.runner().Run([&](Transaction& tx) -> Result<void> { return body(tx); });
  }
  /// As Run, with the slot of a free inode to change.
  template <typename F>
  Result<void> Change(Ino ino, F&& body) {
    return Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(InodeSlot * slot, EditSlot(tx, ino));
      return body(tx, slot);
    });
  }
  Result<InodeSlot*> EditSlot(Transaction& tx, Ino ino) {
    HOLDFAST_ASSIGN(void* slot, tx.Edit(SlotOf(ino)));
    return static_cast<InodeSlot*>(slot);
  }
  const InodeSlot& Slot(Ino ino) {
    return *static_cast<const InodeSlot*>(*parts.medium().Load(SlotOf(ino)));
  }
  ObjectId SlotOf(Ino ino) { return SlotId(Pfn(parts.superblock().inode_cluster0), ino); }

  /// Maps `count` (a multiple of 50) allocated blocks that cannot merge: every second file block.
  Result<void> FillScattered(Ino ino, uint64_t count) {
    for (uint64_t at = 0; at < count; at += 50) {
      HOLDFAST_TRY(FillScatteredAt(ino, at));
    }
    return {};
  }

  std::vector<Extent> Extents(Ino ino) {
    std::vector<Extent> found;
    const auto done = map->ForEach(parts.medium(), Slot(ino), FileBlock(0),
                                   FileBlock(kMaxFileBlocks), [&](const Extent& extent) {
                                     found.push_back(extent);
                                     return true;
                                   });
    EXPECT_TRUE(done) << done.error().Text();
    return found;
  }

  /// Every owner that the reverse maps of all groups know of an inode.
  std::vector<Owner> OwnersOf(Ino ino) {
    std::vector<Owner> found;
    for (uint64_t group = 0; group < allocator->group_count(); ++group) {
      const uint64_t start = group * parts.superblock().group_blocks;
      const uint64_t end =
          std::min(start + parts.superblock().group_blocks, parts.superblock().block_count);
      const auto owners =
          reverse_map->Owners(parts.medium(), {Pfn(start), BlockCount(end - start)});
      EXPECT_TRUE(owners) << owners.error().Text();
      std::ranges::copy_if(*owners, std::back_inserter(found),
                           [ino](const Owner& owner) { return owner.ino == ino; });
    }
    return found;
  }

  /// Extents in order, apart, merged where they can be, counted, and one to one in the reverse map.
  void CheckInode(Ino ino) {
    const std::vector<Extent> extents = Extents(ino);
    std::vector<Owner> expected;
    uint64_t blocks = 0;
    for (size_t i = 0; i < extents.size(); ++i) {
      blocks += extents[i].length().value();
      expected.push_back({extents[i].run, ino, extents[i].file_block, extents[i].flags});
      if (i == 0) continue;
      EXPECT_GE(extents[i].file_block, extents[i - 1].end());
      EXPECT_FALSE(Continues(*allocator, extents[i - 1], extents[i]))
          << "not merged at " << extents[i].file_block.value();
    }
    std::ranges::sort(expected);
    EXPECT_EQ(OwnersOf(ino), expected);
    EXPECT_EQ(Slot(ino).blocks, blocks);
    CheckForm(Slot(ino), extents.size());
  }

  tests::FormattedMedium parts;
  std::unique_ptr<Allocator> allocator;
  std::unique_ptr<Refcounts> refcounts;
  std::unique_ptr<ReverseMap> reverse_map;
  std::unique_ptr<ExtentMap> map;

 private:
  void MakeParts() {
    allocator = std::make_unique<Allocator>(parts.medium());
    parts.journal().set_spill_source(allocator.get());
    refcounts = std::make_unique<Refcounts>(*allocator);
    reverse_map = std::make_unique<ReverseMap>(*allocator);
    map = std::make_unique<ExtentMap>(tools());
  }
  Result<void> FillScatteredAt(Ino ino, uint64_t at) {
    return Change(ino, [&](Transaction& tx, InodeSlot* slot) -> Result<void> {
      for (uint64_t i = at; i < at + 50; ++i) {
        HOLDFAST_ASSIGN(const BlockRun run,
                        allocator->Allocate(tx, BlockCount(1), Pfn(0), AllocFor::kData));
        HOLDFAST_TRY(map->Insert(tx, slot, {FileBlock(2 * i), run, 0}, AllocFor::kData));
      }
      return {};
    });
  }
  static void CheckForm(const InodeSlot& slot, size_t extents) {
    const auto form = static_cast<DataForm>(slot.data_form);
    if (form == DataForm::kTree) {
      EXPECT_GT(extents, kInlineExtents / 2);
    } else {
      EXPECT_EQ(form, extents == 0 ? DataForm::kNone : DataForm::kExtents);
      EXPECT_EQ(slot.inline_count, extents);
      EXPECT_EQ(slot.extents.node, 0U);
    }
  }
};

}  // namespace holdfast::fsmeta
