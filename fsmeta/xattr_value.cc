// SPDX-License-Identifier: Apache-2.0
// Attribute values that are too long to be packed: chains of value blocks.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

constexpr size_t kBytesPerBlock = sizeof(XattrValueBlock::value);

std::unexpected<Error> Unsound(uint64_t owner, const XattrRecord& record) {
  return Fail(EUCLEAN, absl::StrFormat("inode %d: the value of attribute %s is not the %d bytes it "
                                       "should be; run fsck.holdfast",
                                       owner, record.name, record.value_length));
}

Result<const XattrValueBlock*> LoadValue(MetaReader& reader, uint64_t owner, Pfn block) {
  return reader.Block<XattrValueBlock>(block, ObjectType::kXattrValue, owner);
}

}  // namespace

// The blocks of a value; as many as its length needs, each full but the last.
Result<std::vector<Pfn>> XattrStore::ChainOf(MetaReader& reader, uint64_t owner,
                                             const XattrRecord& record) const {
  if (record.value_length > kMaxXattrValueBytes) return Unsound(owner, record);
  std::vector<Pfn> chain;
  uint64_t left = record.value_length;
  uint64_t at = record.value_block;
  while (left != 0) {
    if (at == 0) return Unsound(owner, record);
    chain.push_back(Pfn(at));
    HOLDFAST_ASSIGN(const XattrValueBlock* block, LoadValue(reader, owner, Pfn(at)));
    if (block->used != std::min<uint64_t>(left, kBytesPerBlock)) return Unsound(owner, record);
    left -= block->used;
    at = block->next;
  }
  if (at != 0) return Unsound(owner, record);
  return chain;
}

Result<std::string> XattrStore::ReadValue(MetaReader& reader, uint64_t owner,
                                          const XattrRecord& record) const {
  HOLDFAST_ASSIGN(const std::vector<Pfn> chain, ChainOf(reader, owner, record));
  std::string value;
  value.reserve(record.value_length);
  for (const Pfn at : chain) {
    HOLDFAST_ASSIGN(const XattrValueBlock* block, LoadValue(reader, owner, at));
    value.append(reinterpret_cast<const char*>(block->value), block->used);
  }
  return value;
}

Result<Pfn> XattrStore::WriteValue(Transaction& tx, const InodeSlot& slot,
                                   std::string_view value) const {
  const BlockCount needed((value.size() + kBytesPerBlock - 1) / kBytesPerBlock);
  const Pfn goal(slot.header.self >> kBlockShift);
  HOLDFAST_ASSIGN(const auto runs, allocator_.AllocateAll(tx, needed, goal, AllocFor::kMetadata));
  std::vector<Pfn> chain;
  for (const BlockRun& run : runs) {
    for (uint64_t i = 0; i < run.length.value(); ++i) chain.push_back(run.start + BlockCount(i));
  }
  for (size_t i = 0; i < chain.size(); ++i) {
    auto* block =
        tx.CreateBlock<XattrValueBlock>(chain[i], ObjectType::kXattrValue, slot.header.owner);
    const std::string_view part = value.substr(i * kBytesPerBlock, kBytesPerBlock);
    block->next = i + 1 < chain.size() ? chain[i + 1].value() : 0;
    block->used = part.size();
    std::memcpy(block->value, part.data(), part.size());
  }
  return chain.front();
}

Result<void> XattrStore::FreeValue(Transaction& tx, uint64_t owner,
                                   const XattrRecord& record) const {
  HOLDFAST_ASSIGN(const std::vector<Pfn> chain, ChainOf(tx, owner, record));
  for (const Pfn block : chain) HOLDFAST_TRY(FreeBlock(tx, block));
  return {};
}

}  // namespace holdfast::fsmeta
