// SPDX-License-Identifier: Apache-2.0
// Collapsing and inserting ranges: everything behind them moves.
#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {

Result<void> FileData::Collapse(const OpContext& op, LiveInode& inode, ByteSpan span) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (!span.is_block_aligned()) {
    return Fail(EINVAL, "collapse works on whole blocks of 4096 bytes: align offset and length");
  }
  if (span.end >= state.size) {
    return Fail(EINVAL, "the range to collapse reaches the end of the file: truncate it instead");
  }
  const FileRange gone = span.blocks();
  return Change(op, inode, {gone.start, kFileEnd}, [&](FileEdit& edit) -> Result<void> {
    HOLDFAST_TRY(edit.Drop(gone));
    HOLDFAST_TRY(edit.Shift(gone.end, -static_cast<int64_t>(gone.length().value())));
    edit.slot()->size -= span.length();
    return edit.StampModified(LosesPrivileges(op));
  });
}

Result<void> FileData::InsertRange(const OpContext& op, LiveInode& inode, ByteSpan span) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (!span.is_block_aligned()) {
    return Fail(EINVAL, "insert works on whole blocks of 4096 bytes: align offset and length");
  }
  if (span.offset >= state.size) {
    return Fail(EINVAL, "the place to insert at is not inside the file");
  }
  if (span.length() > kMaxFileSize - state.size) return Fail(EFBIG);
  const FileRange made = span.blocks();
  return Change(op, inode, {made.start, kFileEnd}, [&](FileEdit& edit) -> Result<void> {
    HOLDFAST_TRY(edit.Shift(made.start, static_cast<int64_t>(made.length().value())));
    edit.slot()->size += span.length();
    return edit.StampModified(LosesPrivileges(op));
  });
}

}  // namespace holdfast::fsmeta
