// SPDX-License-Identifier: Apache-2.0
// The passes over inodes 3 and 4.
#include "fsmeta/check_orphans.h"

#include "absl/strings/str_cat.h"
#include "fsmeta/check_extents.h"
#include "fsmeta/check_inodes.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kOrphanFile[] = "orphan file";
constexpr char kQuarantineFile[] = "quarantine file";

bool MustBeListed(const InodePicture& inode) {
  return inode.nlink == 0 || (inode.flags & kInodeTruncating) != 0;
}

void CheckListed(CheckState& state, uint64_t index, uint64_t ino) {
  const std::string location = absl::StrCat("entry ", index);
  if (ino < kInoFirstFree || !state.inodes.Exists(ino)) {
    return state.report.Error(kOrphanFile, location,
                              absl::StrCat("lists inode ", ino, ", which is not in use"));
  }
  InodePicture& inode = state.inodes[ino];
  if (inode.listed) {
    return state.report.Error(kOrphanFile, location, absl::StrCat("lists inode ", ino, " again"));
  }
  inode.listed = true;
  ++state.report.totals.orphans;
  state.report.Expect("inode", absl::StrCat(ino), "orphan_slot", inode.orphan_slot, index + 1);
  if (!MustBeListed(inode)) {
    state.report.Error(kOrphanFile, location,
                       absl::StrCat("lists inode ", ino, ", which has a name and its full size"));
  }
}

void CheckRun(CheckState& state, const std::string& location, const QuarantineRecord& record) {
  const Superblock& superblock = state.image.superblock();
  if (record.length == 0 || !state.image.Contains(record.block, record.length) ||
      record.block / superblock.group_blocks !=
          (record.block + record.length - 1) / superblock.group_blocks) {
    return state.report.Error(kQuarantineFile, location,
                              absl::StrCat("has blocks ", record.block, " and ", record.length - 1,
                                           " more, which are not in one group"));
  }
  state.report.totals.quarantined_blocks += record.length;
  state.claims.Add({record.block, kInoQuarantine, 0, static_cast<uint32_t>(record.length), 0,
                    ClaimKind::kQuarantine});
}

void CheckRecord(CheckState& state, const std::string& location, const QuarantineRecord& record) {
  switch (static_cast<QuarantineKind>(record.kind)) {
    case QuarantineKind::kRun:
      return CheckRun(state, location, record);
    case QuarantineKind::kFree:
    case QuarantineKind::kBatchHolder:
    case QuarantineKind::kInodeHolder:
      if (record.length == 0) return;
      return state.report.Error(kQuarantineFile, location, "is no run, but has blocks");
  }
  state.report.Error(kQuarantineFile, location, absl::StrCat("is of unknown kind ", record.kind));
}

}  // namespace

void CheckOrphans(CheckState& state) {
  if (const InodeSlot* slot = SlotForCheck(state, kInoOrphanFile)) {
    ForEachMetadataBlock(state, *slot, [&](uint64_t file_block, Pfn at) {
      const auto loaded = state.image.Block<OrphanBlock>(at, ObjectType::kOrphans, kInoOrphanFile);
      if (!loaded) return state.report.Error(kOrphanFile, "", ReasonOf(loaded.error()));
      for (uint64_t i = 0; i < kOrphansPerBlock; ++i) {
        const uint64_t ino = (*loaded)->ino[i];
        if (ino != 0) CheckListed(state, file_block * kOrphansPerBlock + i, ino);
      }
    });
  }
  for (uint64_t ino = 0; ino < state.inodes.size(); ++ino) {
    const InodePicture& inode = state.inodes[ino];
    if (inode.mode == 0 || inode.listed) continue;
    state.report.Expect("inode", absl::StrCat(ino), "orphan_slot", inode.orphan_slot, uint64_t{0});
    if (MustBeListed(inode)) {
      state.report.Error("inode", absl::StrCat(ino),
                         "is deleted or being truncated, but not in the orphan file");
    }
  }
}

void CheckQuarantine(CheckState& state) {
  const InodeSlot* slot = SlotForCheck(state, kInoQuarantine);
  if (slot == nullptr) return;
  ForEachMetadataBlock(state, *slot, [&](uint64_t file_block, Pfn at) {
    const auto loaded =
        state.image.Block<QuarantineBlock>(at, ObjectType::kQuarantine, kInoQuarantine);
    if (!loaded) return state.report.Error(kQuarantineFile, "", ReasonOf(loaded.error()));
    size_t i = 0;
    for (const QuarantineRecord& record : (*loaded)->records) {
      const std::string location = absl::StrCat("block ", file_block, " record ", i++);
      CheckRecord(state, location, record);
    }
  });
}

}  // namespace holdfast::fsmeta
