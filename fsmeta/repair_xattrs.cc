// SPDX-License-Identifier: Apache-2.0
// Reading attributes one by one, and writing them to new blocks.
#include "fsmeta/repair_xattrs.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "fsmeta/check_xattrs.h"
#include "fsmeta/posix_acl.h"
#include "fsmeta/xattr_block.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kInode[] = "inode";

using Attributes = absl::btree_map<std::string, std::string>;  // name -> value

bool IsSound(RepairState& state, const InodeSlot& slot, XattrFacts* facts) {
  CheckReport scratch;
  CheckState check{.image = state.image, .report = scratch};
  *facts = CheckXattrs(check, slot);
  return scratch.clean() && std::ranges::none_of(check.claims.visited(), [&](uint64_t block) {
           return !state.image.Contains(block, 1) || IsFixedBlock(state.superblock(), Pfn(block));
         });
}

// Reads the attributes that are whole.
class Reader {
 public:
  Reader(RepairState& state, uint64_t ino) : state_(state), ino_(ino) {}

  Attributes Run(uint64_t first) {
    for (uint64_t at = first; at != 0 && met_.insert(at).second;) {
      const auto loaded = state_.image.Block<XattrBlock>(Pfn(at), ObjectType::kXattr, ino_);
      if (!loaded) break;
      // An entry that does not add up ends its block.
      static_cast<void>(ForEachXattr(**loaded, [&](const XattrRecord& record) {
        Take(record);
        return true;
      }));
      at = (*loaded)->next;
    }
    return std::move(found_);
  }

 private:
  void Take(const XattrRecord& record) {
    if (record.name.find('\0') != std::string_view::npos ||
        record.value_length > kMaxXattrValueBytes ||
        list_bytes_ + record.name.size() + 1 > kMaxXattrListBytes) {
      return;
    }
    std::string value(record.value);
    if (record.external() && !ReadChain(record, &value)) return;
    if ((record.name == kAccessAclName || record.name == kDefaultAclName) && !record.external() &&
        !PosixAcl::Parse(value)) {
      return;
    }
    if (found_.try_emplace(std::string(record.name), std::move(value)).second) {
      list_bytes_ += record.name.size() + 1;
    }
  }

  bool ReadChain(const XattrRecord& record, std::string* value) {
    uint64_t at = record.value_block;
    while (at != 0 && value->size() < record.value_length) {
      const auto loaded =
          state_.image.Block<XattrValueBlock>(Pfn(at), ObjectType::kXattrValue, ino_);
      const uint64_t left = record.value_length - value->size();
      if (!loaded || (*loaded)->used != std::min<uint64_t>(left, sizeof(XattrValueBlock::value))) {
        return false;
      }
      value->append(reinterpret_cast<const char*>((*loaded)->value), (*loaded)->used);
      at = (*loaded)->next;
    }
    return at == 0 && value->size() == record.value_length;
  }

  RepairState& state_;
  const uint64_t ino_;
  Attributes found_;
  absl::flat_hash_set<uint64_t> met_;
  size_t list_bytes_ = 0;
};

Result<uint64_t> WriteValue(RepairState& state, uint64_t ino, std::string_view value) {
  uint64_t next = 0;  // written from the last block to the first
  constexpr size_t kMost = sizeof(XattrValueBlock::value);
  for (size_t i = (value.size() + kMost - 1) / kMost; i-- > 0;) {
    const std::string_view part = value.substr(i * kMost, kMost);
    HOLDFAST_ASSIGN(const Pfn at, state.space.Allocate());
    XattrValueBlock block{};
    block.next = next;
    block.used = part.size();
    std::memcpy(block.value, part.data(), part.size());
    state.PutBlock(at, ObjectType::kXattrValue, ino, block);
    next = at.value();
  }
  return next;
}

// Packs attributes into blocks; the head of the chain.
Result<uint64_t> WriteAttributes(RepairState& state, uint64_t ino, const Attributes& attributes) {
  std::vector<XattrBlock> blocks;
  for (const auto& [name, value] : attributes) {
    XattrContent content{name, value};
    if (XattrRecordBytes(content) > kXattrAreaBytes / 2) {
      HOLDFAST_ASSIGN(content.value_block, WriteValue(state, ino, value));
    }
    if (blocks.empty() || blocks.back().used + XattrRecordBytes(content) > kXattrAreaBytes) {
      blocks.push_back({});
    }
    AppendXattr(&blocks.back(), content);
  }
  uint64_t next = 0;
  for (size_t i = blocks.size(); i-- > 0;) {
    HOLDFAST_ASSIGN(const Pfn at, state.space.Allocate());
    blocks[i].next = next;
    state.PutBlock(at, ObjectType::kXattr, ino, blocks[i]);
    next = at.value();
  }
  return next;
}

}  // namespace

Result<void> RepairXattrs(RepairState& state, InodeSlot* slot) {
  const uint64_t ino = slot->header.owner;
  XattrFacts facts;
  if (!IsSound(state, *slot, &facts)) {
    const Attributes attributes = Reader(state, ino).Run(slot->xattr_block);
    state.log.Lost(kInode, ino,
                   absl::StrCat("its attributes are damaged; ", attributes.size(), " are saved"));
    HOLDFAST_ASSIGN(slot->xattr_block, WriteAttributes(state, ino, attributes));
    facts.access_list = attributes.contains(std::string(kAccessAclName));
  }
  const uint32_t flags =
      (slot->flags & ~kInodeHasAcl) | (facts.access_list ? kInodeHasAcl : uint32_t{0});
  if (flags != slot->flags) {
    state.log.Fixed(kInode, ino, "the flag of its access list is corrected");
    slot->flags = flags;
  }
  return {};
}

}  // namespace holdfast::fsmeta
