// SPDX-License-Identifier: Apache-2.0
// Copy-on-write images by page, with a hash that follows the changes.
#include "tests/crash/image_memory.h"

#include <xxhash.h>

#include <cassert>
#include <cstring>

namespace holdfast::tests {
namespace {

using daxcore::kBlockShift;
using daxcore::kBlockSize;

}  // namespace

ImageMemory::ImageMemory(std::span<const std::byte> durable)
    : durable_(durable.size()), memory_(durable.size()), own_region_(memory_.MakeRegion(this)) {
  const uint64_t pages = durable.size() >> kBlockShift;
  is_dirty_.resize(pages);
  is_stale_.resize(pages);
  for (auto& hashes : page_hash_) hashes.resize(pages);
  Restart(durable);
}

void ImageMemory::Restart(std::span<const std::byte> durable) {
  assert(durable.size() == durable_.size());
  Reset();
  const auto& superblock = *reinterpret_cast<const fsmeta::Superblock*>(durable.data());
  lanes_start_ = superblock.journal_start;
  lane_pages_ = superblock.lane_blocks;
  lanes_end_ = lanes_start_ + uint64_t{superblock.lane_count} * lane_pages_;
  for (uint64_t at = 0; at < durable.size(); at += kBlockSize) {
    if (std::memcmp(durable_.data() + at, durable.data() + at, kBlockSize) == 0 && sum_[kAll] != 0)
      continue;
    MakeDurable(at, durable.subspan(at, kBlockSize));
  }
}

void ImageMemory::MakeDurable(uint64_t offset, std::span<const std::byte> bytes) {
  assert(dirty_.empty());
  std::memcpy(durable_.data() + offset, bytes.data(), bytes.size());
  std::memcpy(memory_.WritableAt(offset), bytes.data(), bytes.size());
  MarkPages(offset, bytes.size(), &stale_, &is_stale_);
}

void ImageMemory::Write(uint64_t offset, std::span<const std::byte> bytes) {
  std::memcpy(memory_.WritableAt(offset), bytes.data(), bytes.size());
  MarkPages(offset, bytes.size(), &dirty_, &is_dirty_);
}

void ImageMemory::Reset() {
  for (const uint64_t page : dirty_) {
    const uint64_t at = page << kBlockShift;
    std::memcpy(memory_.WritableAt(at), durable_.data() + at, kBlockSize);
    is_dirty_[page] = false;
  }
  dirty_.clear();
}

void ImageMemory::MarkPages(uint64_t offset, uint64_t n, std::vector<uint64_t>* pages,
                            std::vector<bool>* marked) {
  for (uint64_t page = offset >> kBlockShift; page << kBlockShift < offset + n; ++page) {
    if ((*marked)[page]) continue;
    (*marked)[page] = true;
    pages->push_back(page);
  }
}

void ImageMemory::MarkDirty(const void* dst, size_t n) {
  MarkPages(memory_.OffsetOf(dst), n, &dirty_, &is_dirty_);
}

uint64_t ImageMemory::HashPage(uint64_t page, const std::byte* bytes, View view) const {
  size_t n = kBlockSize;
  if (view == kRecovered && page >= lanes_start_ && page < lanes_end_) {
    n = (page - lanes_start_) % lane_pages_ == 0 ? fsmeta::kLine : 0;
  }
  return XXH3_64bits_withSeed(bytes, n, page + 1);
}

void ImageMemory::RehashDurable() {
  for (const uint64_t page : stale_) {
    for (const View view : {kAll, kRecovered}) {
      const uint64_t hash = HashPage(page, durable_.data() + (page << kBlockShift), view);
      sum_[view] += hash - page_hash_[view][page];
      page_hash_[view][page] = hash;
    }
    is_stale_[page] = false;
  }
  stale_.clear();
}

uint64_t ImageMemory::HashOf(View view) {
  RehashDurable();
  uint64_t sum = sum_[view];
  for (const uint64_t page : dirty_) {
    sum += HashPage(page, image().data() + (page << kBlockShift), view) - page_hash_[view][page];
  }
  return sum;
}

void ImageMemory::Store(void* dst, const void* src, size_t n) {
  MarkDirty(dst, n);
  memory_.Store(dst, src, n);
}

void ImageMemory::CopyNt(void* dst, const void* src, size_t n) {
  MarkDirty(dst, n);
  memory_.CopyNt(dst, src, n);
}

void ImageMemory::ZeroNt(void* dst, size_t n) {
  MarkDirty(dst, n);
  memory_.ZeroNt(dst, n);
}

}  // namespace holdfast::tests
