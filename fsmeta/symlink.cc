// SPDX-License-Identifier: Apache-2.0
// Storing and reading the targets of symbolic links.
#include "fsmeta/symlink.h"

#include <sys/stat.h>

#include <array>
#include <cstring>

#include "absl/strings/str_format.h"
#include "daxcore/media_failure.h"
#include "fsmeta/data_store.h"

namespace holdfast::fsmeta {
namespace {

Result<void> WriteBlock(Volume& volume, Transaction& tx, InodeSlot* slot, std::string_view target) {
  const Pfn goal(slot->header.self >> kBlockShift);
  HOLDFAST_ASSIGN(const BlockRun run,
                  volume.allocator().Allocate(tx, BlockCount(1), goal, AllocFor::kMetadata));
  std::array<std::byte, kBlockSize> block{};
  std::memcpy(block.data(), target.data(), target.size());
  const iovec piece{block.data(), block.size()};
  // Durable before the slot that points to it: the commit drains first.
  HOLDFAST_TRY(
      DataStore(volume.failure()).CopyIn(ByteOffset(run.start), {&piece, 1}, 0, block.size()));
  return volume.extents().Insert(tx, slot, {FileBlock(0), run}, AllocFor::kMetadata);
}

std::unexpected<Error> Unsound(const InodeSlot& slot) {
  return Fail(EUCLEAN, absl::StrFormat("symlink %d: its target is not the %d bytes it should be; "
                                       "run fsck.holdfast",
                                       slot.header.owner, slot.size));
}

}  // namespace

Result<void> WriteSymlink(Volume& volume, Transaction& tx, InodeSlot* slot,
                          std::string_view target) {
  slot->size = target.size();
  if (target.size() > kInlineBytes) return WriteBlock(volume, tx, slot, target);
  slot->data_form = static_cast<uint8_t>(DataForm::kBytes);
  std::memcpy(slot->inline_area, target.data(), target.size());
  return {};
}

Result<std::string> ReadSymlink(Volume& volume, const InodeSlot& slot) {
  if (!S_ISLNK(slot.mode)) return Fail(EINVAL);
  if (slot.data_form == static_cast<uint8_t>(DataForm::kBytes)) {
    if (slot.size > kInlineBytes) return Unsound(slot);
    return std::string(reinterpret_cast<const char*>(slot.inline_area), slot.size);
  }
  if (slot.size > kMaxSymlinkBytes) return Unsound(slot);
  HOLDFAST_ASSIGN(const std::optional<Extent> extent,
                  volume.extents().Find(volume.medium(), slot, FileBlock(0)));
  if (!extent || extent->unwritten() ||
      !volume.medium().Contains(extent->run.start, BlockCount(1))) {
    return Unsound(slot);
  }
  std::string target(slot.size, '\0');
  HOLDFAST_TRY(
      volume.failure().CopyOut(target.data(), ByteOffset(extent->run.start), target.size()));
  return target;
}

}  // namespace holdfast::fsmeta
