// SPDX-License-Identifier: Apache-2.0
// Reading, merging and writing lists of extents.
#include "fsmeta/repair_extents.h"

#include <algorithm>
#include <cstring>

#include "fsmeta/btree_node.h"
#include "fsmeta/check_extents.h"
#include "fsmeta/check_space.h"
#include "fsmeta/extent.h"
#include "fsmeta/group_layout.h"
#include "fsmeta/repair_tree.h"

namespace holdfast::fsmeta {
namespace {

DataForm FormOf(const InodeSlot& slot) { return static_cast<DataForm>(slot.data_form); }

// Do the fields that go with the form say nothing else?
bool FormIsSound(const InodeSlot& slot) {
  const DataForm form = FormOf(slot);
  if (form > DataForm::kTree) return false;
  if (form != DataForm::kTree && !IsEmptyRoot(slot.extents, TreeKind::kExtents)) return false;
  if (form == DataForm::kExtents) return slot.inline_count > 0;
  return slot.inline_count == 0;
}

TreeRecord RecordOf(const ExtentRecord& extent) {
  return {{{extent.file_block}}, {extent.block, extent.length | uint64_t{extent.flags} << 32}};
}

// Can `right` be said by making `left` longer?
bool Joins(const Superblock& superblock, const ExtentRecord& left, const ExtentRecord& right) {
  return left.file_block + left.length == right.file_block &&
         left.block + left.length == right.block && left.flags == right.flags &&
         right.block % superblock.group_blocks != 0;
}

ExtentList Joined(const Superblock& superblock, const ExtentList& extents) {
  ExtentList joined;
  for (const ExtentRecord& extent : extents) {
    if (!joined.empty() && Joins(superblock, joined.back(), extent)) {
      joined.back().length += extent.length;
    } else {
      joined.push_back(extent);
    }
  }
  return joined;
}

}  // namespace

FoundExtents FindExtents(RepairState& state, const InodeSlot& slot) {
  FoundExtents found;
  CheckReport scratch;
  ScanExtents(
      state.image, &scratch, slot,
      [&](Pfn node) {
        return state.image.Contains(node.value(), 1) && !IsFixedBlock(state.superblock(), node);
      },
      [&](const ExtentRecord& extent) { found.extents.push_back(extent); });
  found.sound = scratch.clean() && FormIsSound(slot);
  return found;
}

uint64_t BlocksOf(const ExtentList& extents) {
  uint64_t blocks = 0;
  for (const ExtentRecord& extent : extents) blocks += extent.length;
  return blocks;
}

uint64_t EndOf(const ExtentList& extents) {
  return extents.empty() ? 0 : extents.back().file_block + extents.back().length;
}

Result<void> SetExtents(RepairState& state, InodeSlot* slot, ExtentList extents) {
  extents = Joined(state.superblock(), extents);
  TreeRoot root{};
  std::memset(slot->inline_area, 0, sizeof(slot->inline_area));
  slot->inline_count = 0;
  slot->blocks = BlocksOf(extents);
  DataForm form = DataForm::kNone;
  if (extents.size() > kInlineExtents) {
    form = DataForm::kTree;
    std::vector<TreeRecord> records;
    for (const ExtentRecord& extent : extents) records.push_back(RecordOf(extent));
    HOLDFAST_ASSIGN(root, BuildTree(state, TreeKind::kExtents, slot->header.owner, records));
  } else if (!extents.empty()) {
    form = DataForm::kExtents;
    slot->inline_count = static_cast<uint8_t>(extents.size());
    std::memcpy(slot->inline_area, extents.data(), extents.size() * sizeof(ExtentRecord));
  }
  slot->extents = root;
  slot->data_form = static_cast<uint8_t>(form);
  return {};
}

bool StartAtBlock0(ExtentList* extents) {
  if (extents->empty() || extents->front().file_block == 0) return false;
  ExtentRecord& first = extents->front();
  const ExtentRecord rest{first.file_block + 1, first.block + 1, first.length - 1, first.flags};
  first.file_block = 0;
  first.length = 1;
  if (rest.length != 0) extents->insert(extents->begin() + 1, rest);
  return true;
}

ExtentList FillHoles(ExtentList extents, ExtentList more) {
  for (const ExtentRecord& extra : more) {
    const auto after =
        std::ranges::upper_bound(extents, extra.file_block, {}, &ExtentRecord::file_block);
    const bool free_before =
        after == extents.begin() ||
        std::prev(after)->file_block + std::prev(after)->length <= extra.file_block;
    const bool free_after =
        after == extents.end() || extra.file_block + extra.length <= after->file_block;
    if (free_before && free_after) extents.insert(after, extra);
  }
  return extents;
}

RememberedExtents::RememberedExtents(RepairState& state, std::span<const uint64_t> wanted) {
  if (wanted.empty()) return;
  for (uint64_t group = 0; group < state.superblock().group_count; ++group) {
    const GroupLayout layout = LayoutOfGroup(state.superblock(), group);
    const auto header =
        state.image.Block<GroupHeader>(layout.header, ObjectType::kGroupHeader, group);
    if (!header) continue;
    WalkTree(
        state.image, nullptr, {TreeKind::kReverseMap, group, "group", ""}, (*header)->reverse_map,
        [&](Pfn node) { return state.image.Contains(node.value(), 1); },
        [&](const TreeRecord& record) {
          const auto& [block, ino, file_block] = record.key.words;
          if (!std::ranges::binary_search(wanted, ino)) return;
          extents_[ino].push_back({file_block, block, static_cast<uint32_t>(record.value[0]),
                                   static_cast<uint32_t>(record.value[0] >> 32)});
        });
  }
}

ExtentList RememberedExtents::Of(uint64_t ino) const {
  const auto found = extents_.find(ino);
  return found == extents_.end() ? ExtentList{} : found->second;
}

}  // namespace holdfast::fsmeta
