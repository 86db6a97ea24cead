// SPDX-License-Identifier: Apache-2.0
// The memory in which crash images are built: what is durable for certain, and one image on top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daxcore/persist.h"
#include "daxcore/region.h"
#include "fsmeta/format.h"
#include "tests/crash/guarded_memory.h"

namespace holdfast::tests {

/// Owns the durable bytes and a copy of them that becomes one image after the other. Only pages
/// that an image changes are copied, hashed and put back, so an image costs what it changes and not
/// what the region holds. One thread; the region it serves may be used by others until `Reset`.
class ImageMemory final : public daxcore::Persist {
 public:
  explicit ImageMemory(std::span<const std::byte> durable);

  /// Everything from here on is built on `durable`, of the same size.
  void Restart(std::span<const std::byte> durable);
  /// Makes bytes durable. The image must be as after `Reset`.
  void MakeDurable(uint64_t offset, std::span<const std::byte> bytes);
  std::span<const std::byte> durable() const { return durable_; }

  /// Stores bytes into the image.
  void Write(uint64_t offset, std::span<const std::byte> bytes);
  /// The image is what is durable again. Nobody uses the region.
  void Reset();
  std::span<const std::byte> image() const { return memory_.bytes(); }

  /// Of the image's bytes.
  uint64_t Hash() { return HashOf(kAll); }
  /// Of all bytes that mean anything once the journal was replayed: of the lanes only their heads.
  uint64_t RecoveredHash() { return HashOf(kRecovered); }

  /// The image as a region; stores to it are part of the image until `Reset`.
  /// One at a time.
  std::unique_ptr<daxcore::Region> MakeRegion() { return memory_.MakeRegion(this); }
  /// The same, but made once.
  daxcore::Region& region() { return *own_region_; }

  void Store(void* dst, const void* src, size_t n) override;
  void Flush(const void*, size_t) override {}
  void Drain() override {}
  void CopyNt(void* dst, const void* src, size_t n) override;
  void ZeroNt(void* dst, size_t n) override;

 private:
  enum View { kAll, kRecovered, kViews };
  void MarkDirty(const void* dst, size_t n);
  void MarkPages(uint64_t offset, uint64_t n, std::vector<uint64_t>* pages,
                 std::vector<bool>* marked);
  uint64_t HashPage(uint64_t page, const std::byte* bytes, View view) const;
  uint64_t HashOf(View view);
  void RehashDurable();

  std::vector<std::byte> durable_;
  GuardedMemory memory_;
  const std::unique_ptr<daxcore::Region> own_region_;
  std::vector<uint64_t> dirty_;  // pages in which the image differs from what is durable
  std::vector<bool> is_dirty_;
  std::vector<uint64_t> stale_;  // pages whose hash is not that of what is durable
  std::vector<bool> is_stale_;
  std::vector<uint64_t> page_hash_[kViews];
  uint64_t sum_[kViews] = {};
  // The journal, pages.
  uint64_t lanes_start_ = 0;
  uint64_t lanes_end_ = 0;
  uint64_t lane_pages_ = 1;
};

}  // namespace holdfast::tests
