// SPDX-License-Identifier: Apache-2.0
// The passes over inodes 3 and 4.
#include "fsmeta/check_orphans.h"

#include <sys/types.h>

#include <cstring>
#include <limits>

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

const char* FaultInRun(const CheckImage& image, const QuarantineRecord& record) {
  if (record.batch == 0) return "is in no batch";
  if (record.holder_pid != 0 || record.holder_start != 0) return "is a run, but names a process";
  return image.FaultInRun(record.block, record.length);
}

const char* FaultInHolder(const QuarantineRecord& record) {
  if (record.block != 0 || record.length != 0) return "is no run, but has blocks";
  if (record.holder_pid == 0 ||
      record.holder_pid > static_cast<uint32_t>(std::numeric_limits<pid_t>::max())) {
    return "names an impossible process";
  }
  return nullptr;
}

void CheckRecord(CheckState& state, const std::string& location, const QuarantineRecord& record) {
  if (const char* fault = FaultInRecord(state.image, record)) {
    return state.report.Error(kQuarantineFile, location, fault);
  }
  if (record.kind != static_cast<uint32_t>(QuarantineKind::kRun)) return;
  state.report.totals.quarantined_blocks += record.length;
  state.claims.Add({record.block, kInoQuarantine, 0, static_cast<uint32_t>(record.length), 0,
                    ClaimKind::kQuarantine});
}

}  // namespace

const char* FaultInRecord(const CheckImage& image, const QuarantineRecord& record) {
  switch (static_cast<QuarantineKind>(record.kind)) {
    case QuarantineKind::kFree: {
      const QuarantineRecord free{};
      return std::memcmp(&record, &free, sizeof(free)) == 0 ? nullptr : "is free, but not cleared";
    }
    case QuarantineKind::kRun:
      return FaultInRun(image, record);
    case QuarantineKind::kBatchHolder:
      return record.batch == 0 ? "is in no batch" : FaultInHolder(record);
    case QuarantineKind::kInodeHolder:
      return record.batch == 0 ? FaultInHolder(record) : "holds a file, but names a batch";
  }
  return "is of an unknown kind";
}

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
