// SPDX-License-Identifier: Apache-2.0
// Checking and claiming extents.
#include "fsmeta/check_extents.h"

#include <sys/stat.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/extent.h"

namespace holdfast::fsmeta {
namespace {

using OnExtent = absl::FunctionRef<void(const ExtentRecord&)>;

// Passes on the extents that can be: in order, in the file's bounds, within one group.
class Filter {
 public:
  Filter(const CheckImage& image, CheckReport* report, uint64_t ino, OnExtent fn)
      : image_(image), report_(report), ino_(ino), fn_(fn) {}

  void Take(const ExtentRecord& extent) {
    const char* fault = FaultInExtent(image_, extent);
    if (fault == nullptr && extent.file_block < end_) fault = "overlaps the one before it";
    if (fault != nullptr) {
      if (report_ != nullptr) {
        report_->Error(
            "inode", absl::StrCat(ino_),
            absl::StrCat("extent {file block ", extent.file_block, ", block ", extent.block,
                         ", length ", extent.length, ", flags ", extent.flags, "} ", fault));
      }
      return;
    }
    end_ = extent.file_block + extent.length;
    fn_(extent);
  }

 private:
  const CheckImage& image_;
  CheckReport* report_;
  const uint64_t ino_;
  OnExtent fn_;
  uint64_t end_ = 0;
};

ExtentRecord ToExtent(const TreeRecord& record) {
  return {record.key.words[0], record.value[0], static_cast<uint32_t>(record.value[1]),
          static_cast<uint32_t>(record.value[1] >> 32)};
}

void ScanInline(const InodeSlot& slot, CheckReport* report, Filter& filter) {
  const size_t count = std::min<size_t>(slot.inline_count, kInlineExtents);
  if (report != nullptr && slot.inline_count > kInlineExtents) {
    report->Error("inode", absl::StrCat(slot.header.owner),
                  absl::StrCat("has ", slot.inline_count, " inline extents, at most ",
                               kInlineExtents, " fit"));
  }
  for (size_t i = 0; i < count; ++i) {
    ExtentRecord extent;
    std::memcpy(&extent, slot.inline_area + i * sizeof(extent), sizeof(extent));
    filter.Take(extent);
  }
}

}  // namespace

const char* FaultInExtent(const CheckImage& image, const ExtentRecord& extent) {
  if ((extent.flags & ~kExtentUnwritten) != 0) return "has unknown flags";
  if (extent.file_block > kMaxFileBlocks - extent.length) {
    return "lies past the largest file";
  }
  return image.FaultInRun(extent.block, extent.length);
}

void ScanExtents(CheckImage& image, CheckReport* report, const InodeSlot& slot, OnTreeNode on_node,
                 OnExtent fn) {
  const uint64_t ino = slot.header.owner;
  Filter filter(image, report, ino, fn);
  if (slot.data_form == static_cast<uint8_t>(DataForm::kExtents)) {
    ScanInline(slot, report, filter);
  } else if (slot.data_form == static_cast<uint8_t>(DataForm::kTree)) {
    const TreeName name{TreeKind::kExtents, ino, "inode", absl::StrCat(ino, " extents")};
    WalkTree(image, report, name, slot.extents, on_node,
             [&](const TreeRecord& record) { filter.Take(ToExtent(record)); });
  }
}

bool HoldsMetadata(const InodeSlot& slot) {
  const uint64_t ino = slot.header.owner;
  return S_ISDIR(slot.mode) || ino == kInoInodeFile || ino == kInoOrphanFile ||
         ino == kInoQuarantine;
}

ExtentTotals ClaimExtents(CheckState& state, const InodeSlot& slot) {
  const uint64_t ino = slot.header.owner;
  const auto kind = HoldsMetadata(slot) ? ClaimKind::kSystemData : ClaimKind::kFileData;
  ExtentTotals totals;
  ScanExtents(
      state.image, &state.report, slot, [&](Pfn node) { return state.claims.AddBlock(node, ino); },
      [&](const ExtentRecord& extent) {
        state.claims.Add({extent.block, ino, extent.file_block, extent.length, extent.flags, kind});
        ++totals.extents;
        totals.blocks += extent.length;
        totals.end = extent.file_block + extent.length;
        if (extent.flags != 0) totals.unwritten += extent.length;
      });
  state.report.totals.extents += totals.extents;
  return totals;
}

void ForEachSoundExtent(CheckState& state, const InodeSlot& slot, OnExtent fn) {
  ScanExtents(state.image, nullptr, slot, [](Pfn) { return true; }, fn);
}

void ForEachMetadataBlock(CheckState& state, const InodeSlot& slot,
                          absl::FunctionRef<void(uint64_t, Pfn)> fn) {
  // After one block that is somebody else's too, the rest is not believed either: so all walks
  // together look at each block of the filesystem once.
  bool believed = true;
  ForEachSoundExtent(state, slot, [&](const ExtentRecord& extent) {
    for (uint32_t i = 0; i < extent.length && believed; ++i) {
      const Pfn at(extent.block + i);
      believed = state.claims.Visit(at);
      if (believed) {
        fn(extent.file_block + i, at);
      } else {
        state.report.Error("inode", absl::StrCat(slot.header.owner),
                           absl::StrCat("its block ", at.value(), " is used twice"));
      }
    }
  });
}

}  // namespace holdfast::fsmeta
