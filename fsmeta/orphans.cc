// SPDX-License-Identifier: Apache-2.0
// Entries of the orphan file.
#include "fsmeta/orphans.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "fsmeta/thread_ordinal.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kMostSpread = 8;
constexpr uint64_t kRegionBlocksPerBlock = 32768;  // 128 MiB

constexpr RecordFileKind kKind{.ino = Ino(kInoOrphanFile),
                               .type = ObjectType::kOrphans,
                               .per_block = kOrphansPerBlock,
                               .file_lock = ResourceClass::kOrphanFile,
                               .block_lock = ResourceClass::kOrphanBlock};

}  // namespace

Orphans::Orphans(Medium& medium, InodeTable& inodes, const ExtentMap& extents)
    : file_(medium, inodes, extents, kKind),
      most_blocks_(
          std::clamp(medium.blocks().value() / kRegionBlocksPerBlock, uint64_t{1}, kMostSpread)) {}

Result<std::vector<Ino>> Orphans::Load() {
  std::vector<Ino> listed;
  HOLDFAST_TRY(file_.Load([&](uint64_t first, const void* loaded) -> Result<void> {
    const auto* block = static_cast<const OrphanBlock*>(loaded);
    for (uint64_t i = 0; i < kOrphansPerBlock; ++i) {
      if (block->ino[i] == 0) continue;
      listed.emplace_back(block->ino[i]);
      file_.MarkUsed(first + i);
    }
    return {};
  }));
  return listed;
}

Result<void> Orphans::Add(Transaction& tx, Ino ino, InodeSlot* slot) {
  if (slot->orphan_slot != 0) return {};
  HOLDFAST_ASSIGN(const RecordFile::Entry entry, file_.Take(tx, ThreadOrdinal() % most_blocks_));
  static_cast<OrphanBlock*>(entry.block)->ino[entry.index % kOrphansPerBlock] = ino.value();
  slot->orphan_slot = entry.index + 1;
  return {};
}

Result<void> Orphans::Remove(Transaction& tx, Ino ino, InodeSlot* slot) {
  if (slot->orphan_slot == 0) return {};
  const uint64_t index = slot->orphan_slot - 1;
  HOLDFAST_ASSIGN(void* edited, file_.Edit(tx, index));
  uint64_t& entry = static_cast<OrphanBlock*>(edited)->ino[index % kOrphansPerBlock];
  if (entry != ino.value()) {
    return Fail(EUCLEAN, absl::StrCat("orphan file: entry ", index, " should list inode ",
                                      ino.value(), " and lists ", entry, "; run fsck.holdfast"));
  }
  entry = 0;
  file_.Drop(tx, index);
  slot->orphan_slot = 0;
  return {};
}

}  // namespace holdfast::fsmeta
