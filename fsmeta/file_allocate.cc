// SPDX-License-Identifier: Apache-2.0
// fallocate: preallocating, punching and zeroing ranges of a file.
#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {

Result<void> FileData::Allocate(const OpContext& op, Ino ino, int mode, uint64_t offset,
                                uint64_t length) {
  HOLDFAST_ASSIGN(const ByteSpan span, ByteSpan::Of(offset, length));
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::WriterMutexLock io(&inode.io);
  switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
      return Preallocate(op, inode, span, mode != 0);
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
      return Punch(op, inode, span);
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
      return ZeroRange(op, inode, span, (mode & FALLOC_FL_KEEP_SIZE) != 0);
    case FALLOC_FL_COLLAPSE_RANGE:
      return Collapse(op, inode, span);
    case FALLOC_FL_INSERT_RANGE:
      return InsertRange(op, inode, span);
    case FALLOC_FL_UNSHARE_RANGE:
    case FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE:
      return Unshare(op, inode, span, (mode & FALLOC_FL_KEEP_SIZE) != 0);
    default:
      return Fail(EOPNOTSUPP);
  }
}

Result<void> FileData::Preallocate(const OpContext& op, LiveInode& inode, ByteSpan span,
                                   bool keep_size) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  const bool grows = !keep_size && span.end > state.size;
  // Holes have no pages; only cleaning the old last block touches what somebody may map.
  const FileRange last{FileBlockOf(state.size), FileBlockCeil(state.size)};
  return Change(op, inode, grows ? last : FileRange{}, [&](FileEdit& edit) -> Result<void> {
    if (grows) HOLDFAST_TRY(edit.GrowTo(span.end));
    HOLDFAST_TRY(edit.FillHoles(span.blocks()));
    return edit.StampModified(LosesPrivileges(op));
  });
}

Result<void> FileData::Punch(const OpContext& op, LiveInode& inode, ByteSpan span) {
  HOLDFAST_TRY(Survey(inode));
  return Change(op, inode, span.blocks(), [&](FileEdit& edit) -> Result<void> {
    HOLDFAST_TRY(edit.ZeroEdges(span));
    const FileRange whole = span.whole_blocks();
    if (!whole.empty()) HOLDFAST_TRY(edit.Drop(whole));
    return edit.StampModified(LosesPrivileges(op));
  });
}

Result<void> FileData::ZeroRange(const OpContext& op, LiveInode& inode, ByteSpan span,
                                 bool keep_size) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  FileRange range = span.blocks();
  const bool grows = !keep_size && span.end > state.size;
  if (grows) range.start = std::min(range.start, FileBlockOf(state.size));
  return Change(op, inode, range, [&](FileEdit& edit) -> Result<void> {
    if (grows) HOLDFAST_TRY(edit.GrowTo(span.end));
    HOLDFAST_TRY(edit.ZeroEdges(span));
    HOLDFAST_TRY(edit.SetUnwritten(span.whole_blocks()));
    HOLDFAST_TRY(edit.FillHoles(span.blocks()));
    return edit.StampModified(LosesPrivileges(op));
  });
}

}  // namespace holdfast::fsmeta
