// SPDX-License-Identifier: Apache-2.0
// Finding, writing and erasing attributes in an inode's chain of blocks.
#include "fsmeta/xattr_store.h"

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {
namespace {

// Records up to this size are packed; two fit a block, so at most half of one is wasted.
constexpr uint32_t kMaxPackedBytes = kXattrAreaBytes / 2;
// Every block holds a name, every name has a prefix, a letter and a NUL.
constexpr size_t kMaxBlocks = kMaxXattrListBytes / 7;
// Lines that freeing one attribute can add to a record: the blocks of its value, each in a bitmap
// line of its own, its entry's block, and their groups' and the inode's headers.
constexpr uint64_t kLinesToFree = 256;

Result<XattrBlock*> EditXattrs(Transaction& tx, const InodeSlot& slot, Pfn block) {
  return tx.EditBlock<XattrBlock>(block, ObjectType::kXattr, slot.header.owner);
}

Result<const XattrBlock*> LoadXattrs(MetaReader& reader, const InodeSlot& slot, Pfn block) {
  return reader.Block<XattrBlock>(block, ObjectType::kXattr, slot.header.owner);
}

}  // namespace

Result<std::vector<Pfn>> XattrStore::BlocksOf(MetaReader& reader, const InodeSlot& slot) const {
  std::vector<Pfn> blocks;
  for (uint64_t at = slot.xattr_block; at != 0;) {
    if (blocks.size() >= kMaxBlocks) {
      return Fail(EUCLEAN, absl::StrFormat("inode %d: its attribute blocks form no chain; run "
                                           "fsck.holdfast",
                                           slot.header.owner));
    }
    blocks.push_back(Pfn(at));
    HOLDFAST_ASSIGN(const XattrBlock* block, LoadXattrs(reader, slot, Pfn(at)));
    at = block->next;
  }
  return blocks;
}

Result<std::optional<XattrStore::Location>> XattrStore::Find(MetaReader& reader,
                                                             const InodeSlot& slot,
                                                             std::string_view name) const {
  if (slot.xattr_block == 0) return std::nullopt;
  HOLDFAST_ASSIGN(const std::vector<Pfn> blocks, BlocksOf(reader, slot));
  for (size_t i = 0; i < blocks.size(); ++i) {
    HOLDFAST_ASSIGN(const XattrBlock* block, LoadXattrs(reader, slot, blocks[i]));
    HOLDFAST_ASSIGN(const std::optional<XattrRecord> record, FindXattr(*block, name));
    if (record) return Location{blocks[i], i == 0 ? Pfn() : blocks[i - 1], *record};
  }
  return std::nullopt;
}

Result<std::optional<std::string>> XattrStore::Read(MetaReader& reader, const InodeSlot& slot,
                                                    std::string_view name) const {
  HOLDFAST_ASSIGN(const std::optional<Location> found, Find(reader, slot, name));
  if (!found) return std::nullopt;
  if (!found->record.external()) return std::string(found->record.value);
  HOLDFAST_ASSIGN(std::string value, ReadValue(reader, slot.header.owner, found->record));
  return value;
}

Result<bool> XattrStore::Contains(MetaReader& reader, const InodeSlot& slot,
                                  std::string_view name) const {
  HOLDFAST_ASSIGN(const std::optional<Location> found, Find(reader, slot, name));
  return found.has_value();
}

Result<void> XattrStore::ForEachName(MetaReader& reader, const InodeSlot& slot,
                                     const std::function<void(std::string_view)>& fn) const {
  HOLDFAST_ASSIGN(const std::vector<Pfn> blocks, BlocksOf(reader, slot));
  for (const Pfn at : blocks) {
    HOLDFAST_ASSIGN(const XattrBlock* block, LoadXattrs(reader, slot, at));
    HOLDFAST_TRY(ForEachXattr(*block, [&](const XattrRecord& record) {
      fn(record.name);
      return true;
    }));
  }
  return {};
}

Result<void> XattrStore::Write(Transaction& tx, InodeSlot* slot, std::string_view name,
                               std::string_view value) const {
  XattrContent content{name, value};
  if (XattrRecordBytes(content) > kMaxPackedBytes) {
    HOLDFAST_ASSIGN(const Pfn chain, WriteValue(tx, *slot, value));
    content.value_block = chain.value();
  }
  HOLDFAST_ASSIGN(const std::optional<Location> old, Find(tx, *slot, name));
  if (old) {
    if (old->record.external()) HOLDFAST_TRY(FreeValue(tx, slot->header.owner, old->record));
    HOLDFAST_ASSIGN(XattrBlock * block, EditXattrs(tx, *slot, old->block));
    RemoveXattrRecord(block, old->record);
  }
  // The block it was in comes first: replacing a value with one no longer takes no space.
  HOLDFAST_ASSIGN(const Pfn target,
                  BlockWithRoom(tx, slot, XattrRecordBytes(content), old ? old->block : Pfn()));
  HOLDFAST_ASSIGN(XattrBlock * block, EditXattrs(tx, *slot, target));
  AppendXattr(block, content);
  if (old && old->block != target) {
    // A block that was added stands at the front of the chain now.
    const bool has_new_front = slot->xattr_block == target.value() && old->before == Pfn();
    HOLDFAST_TRY(FreeIfEmpty(tx, slot, old->block, has_new_front ? target : old->before));
  }
  return {};
}

Result<bool> XattrStore::Erase(Transaction& tx, InodeSlot* slot, std::string_view name) const {
  HOLDFAST_ASSIGN(const std::optional<Location> found, Find(tx, *slot, name));
  if (!found) return false;
  if (found->record.external()) HOLDFAST_TRY(FreeValue(tx, slot->header.owner, found->record));
  HOLDFAST_ASSIGN(XattrBlock * block, EditXattrs(tx, *slot, found->block));
  RemoveXattrRecord(block, found->record);
  HOLDFAST_TRY(FreeIfEmpty(tx, slot, found->block, found->before));
  return true;
}

Result<bool> XattrStore::FreeSome(Transaction& tx, InodeSlot* slot) const {
  for (bool fits = true; slot->xattr_block != 0; fits = tx.FitsLane(kLinesToFree)) {
    if (!fits) return false;
    const Pfn at(slot->xattr_block);
    HOLDFAST_ASSIGN(XattrBlock * block, EditXattrs(tx, *slot, at));
    std::optional<XattrRecord> external;
    HOLDFAST_TRY(ForEachXattr(*block, [&](const XattrRecord& record) {
      if (record.external()) external = record;
      return !external.has_value();
    }));
    if (external) {
      HOLDFAST_TRY(FreeValue(tx, slot->header.owner, *external));
      RemoveXattrRecord(block, *external);
      continue;
    }
    slot->xattr_block = block->next;
    HOLDFAST_TRY(FreeBlock(tx, at));
  }
  return true;
}

// `first` if it has room (0: no preference), else any of the chain, else a new one.
Result<Pfn> XattrStore::BlockWithRoom(Transaction& tx, InodeSlot* slot, uint32_t bytes,
                                      Pfn first) const {
  HOLDFAST_ASSIGN(std::vector<Pfn> blocks, BlocksOf(tx, *slot));
  if (first != Pfn()) blocks.insert(blocks.begin(), first);
  for (const Pfn at : blocks) {
    HOLDFAST_ASSIGN(const XattrBlock* block, LoadXattrs(tx, *slot, at));
    HOLDFAST_ASSIGN(const uint32_t room, XattrRoom(*block));
    if (room >= bytes) return at;
  }
  return AddBlock(tx, slot);
}

Result<Pfn> XattrStore::AddBlock(Transaction& tx, InodeSlot* slot) const {
  const Pfn goal(slot->xattr_block != 0 ? slot->xattr_block : slot->header.self >> kBlockShift);
  HOLDFAST_ASSIGN(const BlockRun run,
                  allocator_.Allocate(tx, BlockCount(1), goal, AllocFor::kMetadata));
  auto* block = tx.CreateBlock<XattrBlock>(run.start, ObjectType::kXattr, slot->header.owner);
  block->next = slot->xattr_block;
  slot->xattr_block = run.start.value();
  return run.start;
}

Result<void> XattrStore::FreeIfEmpty(Transaction& tx, InodeSlot* slot, Pfn block,
                                     Pfn before) const {
  HOLDFAST_ASSIGN(const XattrBlock* gone, LoadXattrs(tx, *slot, block));
  if (gone->used != 0) return {};
  if (before == Pfn()) {
    slot->xattr_block = gone->next;
  } else {
    HOLDFAST_ASSIGN(XattrBlock * previous, EditXattrs(tx, *slot, before));
    previous->next = gone->next;
  }
  return FreeBlock(tx, block);
}

Result<void> XattrStore::FreeBlock(Transaction& tx, Pfn block) const {
  tx.Discard(block);
  return allocator_.Free(tx, {block, BlockCount(1)});
}

}  // namespace holdfast::fsmeta
