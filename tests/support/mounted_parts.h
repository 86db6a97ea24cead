// SPDX-License-Identifier: Apache-2.0
// The metadata parts of a filesystem put together without a mount, for tests of single parts.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "fsmeta/allocator.h"
#include "fsmeta/extent_map.h"
#include "fsmeta/inode_table.h"
#include "fsmeta/refcounts.h"
#include "fsmeta/reverse_map.h"
#include "fsmeta/superblock.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::tests {

/// Owns a formatted medium and the parts over it. One thread remounts; the parts are thread-safe.
class MountedParts {
 public:
  explicit MountedParts(uint64_t bytes, const fsmeta::FormatOptions& options = {},
                        Recorder* recorder = nullptr)
      : medium_(bytes, options, recorder) {
    Build();
  }
  explicit MountedParts(const std::vector<std::byte>& image) : medium_(image) { Build(); }

  /// Drops everything but the bytes and opens it again.
  void Remount() {
    parts_.reset();
    medium_.Remount();
    Build();
  }

  /// As the first mount after a reboot.
  void Reboot() {
    daxcore::Region& region = medium_.region();
    fsmeta::Superblock superblock = *fsmeta::ReadSuperblock(region);
    superblock.boot_id[0] ^= 0xff;
    fsmeta::WriteSuperblock(region, superblock);
    Remount();
  }
  /// Changes the inode slot at `id` behind everybody's back, checksum included.
  template <typename F>
  void CorruptSlot(fsmeta::ObjectId id, F&& change) {
    daxcore::Region& region = medium_.region();
    fsmeta::InodeSlot slot;
    std::memcpy(&slot, region.At(id.offset), sizeof(slot));
    change(slot);
    fsmeta::SealObject(&slot, id, medium().uuid(), 1);
    region.persist().Store(region.Target(id.offset), &slot, sizeof(slot));
  }

  template <typename F>
  auto Run(F&& body) {
    return medium_.runner().Run(std::forward<F>(body));
  }
  FormattedMedium& base() { return medium_; }
  fsmeta::Medium& medium() { return medium_.medium(); }
  fsmeta::Allocator& allocator() { return parts_->allocator; }
  fsmeta::ExtentMap& extents() { return parts_->extents; }
  fsmeta::InodeTable& inodes() { return parts_->inodes; }
  fsmeta::SpaceTools tools() { return {parts_->allocator, parts_->refcounts, parts_->reverse_map}; }

 private:
  struct Parts {
    explicit Parts(fsmeta::Medium& medium)
        : allocator(medium),
          refcounts(allocator),
          reverse_map(allocator),
          extents({allocator, refcounts, reverse_map}),
          inodes(medium, extents) {}
    fsmeta::Allocator allocator;
    fsmeta::Refcounts refcounts;
    fsmeta::ReverseMap reverse_map;
    fsmeta::ExtentMap extents;
    fsmeta::InodeTable inodes;
  };
  void Build() {
    parts_.emplace(medium_.medium());
    medium_.journal().set_spill_source(&parts_->allocator);
  }
  FormattedMedium medium_;
  std::optional<Parts> parts_;
};

}  // namespace holdfast::tests
