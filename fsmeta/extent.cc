// SPDX-License-Identifier: Apache-2.0
// Extents to and from the medium.
#include "fsmeta/extent.h"

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {

ExtentRecord ToInline(const Extent& extent) {
  return {extent.file_block.value(), extent.run.start.value(),
          static_cast<uint32_t>(extent.run.length.value()), extent.flags};
}

TreeRecord ToTreeRecord(const Extent& extent) {
  return {{{extent.file_block.value()}},
          {extent.run.start.value(), extent.run.length.value() | uint64_t{extent.flags} << 32}};
}

Result<Extent> ToExtent(const Allocator& allocator, const ExtentRecord& record) {
  const Extent extent{
      FileBlock(record.file_block), {Pfn(record.block), BlockCount(record.length)}, record.flags};
  if (!allocator.IsFileRun(extent.run) || (record.flags & ~kExtentUnwritten) != 0 ||
      record.file_block >= kMaxFileBlocks || record.length > kMaxFileBlocks - record.file_block)
      [[unlikely]] {
    return Fail(EUCLEAN,
                absl::StrCat("extent at file block ", record.file_block, " is unsound: block ",
                             record.block, ", length ", record.length, ", flags ", record.flags,
                             "; run fsck.holdfast"));
  }
  return extent;
}

Result<Extent> ToExtent(const Allocator& allocator, const TreeRecord& record) {
  return ToExtent(allocator, ExtentRecord{record.key.words[0], record.value[0],
                                          static_cast<uint32_t>(record.value[1]),
                                          static_cast<uint32_t>(record.value[1] >> 32)});
}

bool Continues(const Allocator& allocator, const Extent& left, const Extent& right) {
  return left.end() == right.file_block && left.flags == right.flags &&
         left.run.end() == right.run.start &&
         allocator.IsFileRun({left.run.start, left.run.length + right.run.length});
}

}  // namespace holdfast::fsmeta
