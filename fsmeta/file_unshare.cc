// SPDX-License-Identifier: Apache-2.0
// Unsharing: the file gets its own copy of blocks that others have too.
#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {
namespace {

// Copied in one transaction, which keeps the groups it allocates from to itself meanwhile.
constexpr BlockCount kUnshareAtOnce{2048};

}  // namespace

Result<std::vector<FileRange>> FileData::SharedParts(LiveInode& inode, FileRange range) {
  return RunEdit(inode, nullptr, [&](FileEdit& edit) -> Result<std::vector<FileRange>> {
    std::vector<FileRange> shared;
    HOLDFAST_ASSIGN(const std::vector<Extent> mapped, edit.Mapped(range));
    for (const Extent& extent : mapped) {
      if (extent.unwritten()) continue;
      HOLDFAST_ASSIGN(const std::vector<FileRange> parts, edit.Untouchable(extent));
      shared.insert(shared.end(), parts.begin(), parts.end());
    }
    return shared;
  });
}

// Contents and size stay as they are, so each step is a state of its own right, and what was copied
// before space ran out may stay copied.
Result<void> FileData::CopyShared(LiveInode& inode, std::span<const FileRange> shared,
                                  BrokenLayout* broken) {
  for (const FileRange& part : shared) {
    for (FileBlock at = part.start; at < part.end;) {
      const FileRange step{at, std::min(part.end, at + kUnshareAtOnce)};
      auto copied = RunEdit(inode, broken, [&](FileEdit& edit) { return edit.CopyAway(step); });
      Settle(inode, *broken, copied.has_value());
      if (!copied) return copied;
      at = step.end;
    }
  }
  return {};
}

// Without the mark a write need not look at reference counts.
Result<void> FileData::ForgetSharing(LiveInode& inode) {
  HOLDFAST_ASSIGN(const std::vector<FileRange> shared, SharedParts(inode, kWholeFile));
  if (!shared.empty()) return {};
  return RunEdit(inode, nullptr, [](FileEdit& edit) -> Result<void> {
    edit.slot()->flags &= ~kInodeMayShare;
    return {};
  });
}

// Waits for nobody where nothing is shared.
Result<void> FileData::UnshareBlocks(const OpContext& op, LiveInode& inode, FileRange range) {
  HOLDFAST_ASSIGN(const std::vector<FileRange> shared, SharedParts(inode, range));
  if (shared.empty()) return {};
  absl::MutexLock layout(&inode.layout.layout_lock());
  HOLDFAST_ASSIGN(BrokenLayout broken, Break(op, inode, {shared.front().start, shared.back().end}));
  return CopyShared(inode, shared, &broken);
}

Result<void> FileData::Unshare(const OpContext& op, LiveInode& inode, ByteSpan span,
                               bool keep_size) {
  HOLDFAST_ASSIGN(const FileState state, Survey(inode));
  if (state.may_share) {
    HOLDFAST_TRY(UnshareBlocks(op, inode, span.blocks()));
    if (span.offset == 0 && span.end >= state.size) HOLDFAST_TRY(ForgetSharing(inode));
  }
  return Preallocate(op, inode, span, keep_size);
}

}  // namespace holdfast::fsmeta
