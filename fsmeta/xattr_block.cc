// SPDX-License-Identifier: Apache-2.0
// Walking and changing the entries of one attribute block.
#include "fsmeta/xattr_block.h"

#include <cassert>
#include <cstring>

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {

using daxcore::Fail;
using daxcore::Result;

namespace {

std::unexpected<daxcore::Error> Unsound(const XattrBlock& block, std::string_view what) {
  return Fail(EUCLEAN,
              absl::StrFormat("inode %d: attribute block %d has %s; run fsck.holdfast",
                              block.header.owner, block.header.self / kMetadataBlock, what));
}

Result<XattrRecord> RecordAt(const XattrBlock& block, uint32_t offset) {
  XattrEntry head;
  if (block.used - offset < sizeof(head)) return Unsound(block, "an entry that is cut off");
  std::memcpy(&head, block.entries + offset, sizeof(head));
  const bool external = head.external != 0;
  const uint64_t needed =
      sizeof(head) + uint64_t{head.name_length} + (external ? 0 : head.value_length);
  if (head.record_length % alignof(XattrEntry) != 0 || head.record_length > block.used - offset ||
      head.name_length == 0 || needed > head.record_length || head.external > 1 ||
      external != (head.value_block != 0)) {
    return Unsound(block, "an impossible entry");
  }
  const char* name = reinterpret_cast<const char*>(block.entries) + offset + sizeof(head);
  return XattrRecord{.offset = offset,
                     .length = head.record_length,
                     .name = {name, head.name_length},
                     .value = {name + head.name_length, external ? 0 : head.value_length},
                     .value_length = head.value_length,
                     .value_block = head.value_block};
}

}  // namespace

uint32_t XattrRecordBytes(const XattrContent& content) {
  const size_t packed = content.value_block != 0 ? 0 : content.value.size();
  return static_cast<uint32_t>(
      daxcore::AlignUp(sizeof(XattrEntry) + content.name.size() + packed, alignof(XattrEntry)));
}

Result<void> ForEachXattr(const XattrBlock& block,
                          const std::function<bool(const XattrRecord&)>& fn) {
  HOLDFAST_TRY(XattrRoom(block));
  for (uint32_t offset = 0; offset < block.used;) {
    HOLDFAST_ASSIGN(const XattrRecord record, RecordAt(block, offset));
    if (!fn(record)) break;
    offset += record.length;
  }
  return {};
}

Result<std::optional<XattrRecord>> FindXattr(const XattrBlock& block, std::string_view name) {
  std::optional<XattrRecord> found;
  HOLDFAST_TRY(ForEachXattr(block, [&](const XattrRecord& record) {
    if (record.name == name) found = record;
    return !found.has_value();
  }));
  return found;
}

Result<uint32_t> XattrRoom(const XattrBlock& block) {
  if (block.used > kXattrAreaBytes) return Unsound(block, "more in use than it can hold");
  return static_cast<uint32_t>(kXattrAreaBytes - block.used);
}

void AppendXattr(XattrBlock* block, const XattrContent& content) {
  const uint32_t length = XattrRecordBytes(content);
  assert(block->used + length <= kXattrAreaBytes);
  const bool external = content.value_block != 0;
  const XattrEntry head{.record_length = static_cast<uint16_t>(length),
                        .name_length = static_cast<uint8_t>(content.name.size()),
                        .external = static_cast<uint8_t>(external ? 1 : 0),
                        .value_length = static_cast<uint32_t>(content.value.size()),
                        .value_block = content.value_block};
  uint8_t* at = block->entries + block->used;
  std::memset(at, 0, length);
  std::memcpy(at, &head, sizeof(head));
  std::memcpy(at + sizeof(head), content.name.data(), content.name.size());
  if (!external) {
    std::memcpy(at + sizeof(head) + content.name.size(), content.value.data(),
                content.value.size());
  }
  block->used = static_cast<uint16_t>(block->used + length);
  ++block->count;
}

void RemoveXattrRecord(XattrBlock* block, const XattrRecord& record) {
  const uint32_t end = record.offset + record.length;
  std::memmove(block->entries + record.offset, block->entries + end, block->used - end);
  std::memset(block->entries + block->used - record.length, 0, record.length);
  block->used = static_cast<uint16_t>(block->used - record.length);
  --block->count;
}

}  // namespace holdfast::fsmeta
